"""Where many pieces of work run: in this process, or on Dask's workers, here or on other machines."""
