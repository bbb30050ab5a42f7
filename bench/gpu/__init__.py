"""Everything that needs a GPU to be measured, in one run of eight minutes: `python -m bench.gpu`."""
