"""Which recipe and target meet limits on speed, size and accuracy: a grid of cells, hopeless ones stopped early."""
