"""Published weights and coefficients of others, read into the package's own form.

torch_files.py          PyTorch's checkpoints, without PyTorch and without executing anything
published_weights.py    the networks of 2DASL, 3DDFA and 3DDFA_V2
model_change.py         coefficients of one form of a face model, as those of another
landmark_basis.py       the face model's 68 landmarks that published coefficients belong to
"""
