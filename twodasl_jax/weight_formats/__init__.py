"""Readers for published weights and coefficients.

torch_files.py          PyTorch checkpoints, read without PyTorch and without executing code
published_weights.py    the networks of 2DASL, 3DDFA and 3DDFA_V2
model_change.py         conversion of coefficients between two descriptions of one face model
landmark_basis.py       the 68 landmarks of the face model that published coefficients belong to
"""
