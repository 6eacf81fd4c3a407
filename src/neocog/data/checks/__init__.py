"""What is wrong or odd in a data set: facts of each picture in one pass, findings from the facts alone."""
