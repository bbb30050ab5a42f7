"""From what the user has to a float network: sources, graph passes, import into torch."""
