"""What `jobs/quantize.py` is asked for, and what it does after tuning."""
