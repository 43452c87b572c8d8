"""Notebooks for Colab and laptops, and what runs them (`run_notebooks.py`)."""
