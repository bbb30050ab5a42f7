"""The device that computes: sending tensors to it, reading figures from it, the precision it multiplies in."""
