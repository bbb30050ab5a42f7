"""How images are made for a network without data: one file a method, and the table of all methods."""
