"""Networks that take exactly so many images at a time."""
