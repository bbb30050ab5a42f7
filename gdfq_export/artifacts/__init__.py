"""Bundles: the folder a pipeline keeps of one run."""
