"""Rewrites of operators without an integer kernel to operators that have one, which compute the same."""
