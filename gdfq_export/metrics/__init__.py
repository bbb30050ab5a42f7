"""What a written file does on a runtime: accuracy, agreement, parity, integer coverage, latency; and the report."""
