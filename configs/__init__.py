"""Published training runs: changes of the default settings, see `twodasl_jax.training.settings`."""
