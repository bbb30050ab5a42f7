"""Embeddings: one vector an image, `[N, D]`, compared by angle."""
