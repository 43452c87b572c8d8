"""Photos in, 3D faces out: `python experiments/reconstruct.py --help`; see `twodasl_jax/cli.py`."""

from twodasl_jax import cli

if __name__ == "__main__":
    cli.main()
