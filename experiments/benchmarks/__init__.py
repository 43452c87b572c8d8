"""Benchmarks by subject, for `experiments/benchmark.py`.

train_step     a training step in JAX and in PyTorch (`plain_torch`)
training_run   the input pipeline, the training loop and the start of a run
inference      reconstruction of faces
scoring        landmark errors and ICP
tpu            the cost of a training step on a TPU, from the TPU compiler
timing         timing of several calls in turn
"""
