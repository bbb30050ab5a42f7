"""A set of images as a picture with its measures."""
