"""Parts of `ablate.py`: the study, the measures of a run, and the report."""
