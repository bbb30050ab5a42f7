"""Files, progress and text: what every room may use."""
