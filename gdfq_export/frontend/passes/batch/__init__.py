"""A fixed batch: freed where the graph computes the same with any other, else kept."""
