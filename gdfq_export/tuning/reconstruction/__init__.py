"""Layer-by-layer reconstruction: weights are fitted and rounded on each layer's own inputs."""
