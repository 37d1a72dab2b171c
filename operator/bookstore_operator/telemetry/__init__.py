"""What the operator measures: the metrics as data, and the samples about BookStores."""
