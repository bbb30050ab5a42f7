"""What a network's outputs mean, a task a folder."""
