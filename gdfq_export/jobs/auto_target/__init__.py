"""`--target auto`: which runtime runs a network fastest here, and its file."""
