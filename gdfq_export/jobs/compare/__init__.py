"""`compare`: one network quantized by several methods at several bit widths, scored on the same images."""
