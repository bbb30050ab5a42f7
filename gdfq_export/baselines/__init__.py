"""Published methods as published, for comparison: nothing else depends on them."""
