"""The parts of `prepare_data.py`: faces by their kind, and the summary of what was prepared."""
