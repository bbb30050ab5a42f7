"""`bits.precision: auto`: which layers stay float, found by measuring."""
