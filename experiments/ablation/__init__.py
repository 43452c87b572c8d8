"""The parts of `ablate.py`: the runs of a study, how each is measured, and the report of them all."""
