"""The verb `retrieve`: nearest pictures, outliers and doubtful labels by features."""
