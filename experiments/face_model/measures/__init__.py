"""Measures of a face model, one per module; experiments/face_model/measure.py runs them."""
