"""Decoders: from a detector's outputs to boxes, one file for each way to write them."""
