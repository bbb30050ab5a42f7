"""Segmentation: masks `[N, C, H, W]` as large as the image, or a fixed fraction of it."""
