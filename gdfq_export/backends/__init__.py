"""Runtimes behind one protocol: load a file, run images, and say what really executes."""
