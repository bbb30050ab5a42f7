"""Rewrites to operators that have an integer kernel, or to the form that one absorbs, which compute the same."""
