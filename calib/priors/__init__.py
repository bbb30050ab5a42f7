"""Images from priors alone: no network is asked."""
