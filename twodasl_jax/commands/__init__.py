"""What `twodasl-reconstruct` does with photos, with videos and with a camera: one module for each."""
