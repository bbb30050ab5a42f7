"""What a batch of jobs came to: a row for each job, and all rows together."""
