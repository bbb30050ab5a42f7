"""Any float outputs: numbers, maps, sequences, of which no more is known."""
