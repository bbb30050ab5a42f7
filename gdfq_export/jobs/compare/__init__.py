"""One network by every method of the ladder, bits side by side: cells, what they are scored on, and what is written."""
