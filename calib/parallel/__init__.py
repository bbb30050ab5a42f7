"""Several processes that make one result: who has which part of a batch, and how parts are put together."""
