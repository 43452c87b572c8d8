"""Annotated face crops: read, cleaned, fitted, stored (TFDS, array_record), fed (Grain) and augmented."""
