"""Many networks by many recipes, targets and seeds: jobs, the store of their results, and where they run."""
