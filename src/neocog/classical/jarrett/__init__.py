"""Features of one or two stages without backpropagation (Jarrett, Kavukcuoglu, Ranzato and LeCun 2009)."""
