"""Forms of a float network that are brought to one form before any check: types, names, inputs."""
