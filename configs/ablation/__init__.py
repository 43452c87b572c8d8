"""The rows of the ablation (`get_config`) and its studies (`get_study`), see `experiments/ablate.py`."""
