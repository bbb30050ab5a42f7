"""How long work keeps its state, so that it can be continued: what a loop asks for, and the state of a training."""
