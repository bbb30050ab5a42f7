"""The float network as a graph: its canonical form, and BatchNorm folding that keeps the statistics."""
