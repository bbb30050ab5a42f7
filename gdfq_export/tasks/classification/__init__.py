"""Image classification: one output of class scores `[N, classes]`."""
