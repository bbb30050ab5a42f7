"""Rules of OpenVINO: of its integer kernels, and of what it computes wrongly or does not load."""
