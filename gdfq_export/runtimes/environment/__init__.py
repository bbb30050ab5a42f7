"""What this machine is and can run."""
