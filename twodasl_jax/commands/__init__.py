"""The commands of `twodasl-reconstruct`, and the entry points of all programs."""
