"""The report: figures, gates, comparison with an earlier report."""
