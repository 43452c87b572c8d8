"""Notebooks for Colab and local use, and the module that runs them."""
