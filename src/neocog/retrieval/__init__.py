"""What lies where among features: the nearest pictures, those far from all others, those with doubtful labels."""
