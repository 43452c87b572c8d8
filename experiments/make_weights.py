"""Writes a weights file for `Reconstructor`, from a training run or from a published checkpoint.

  python experiments/make_weights.py --workdir=runs/first --output=weights.npz [--checkpoint=best]
      The averaged weights of a training run, in float16.
  python experiments/make_weights.py --published=mb05_120x120.pth --whitening=param_mean_std_62d_120x120.pkl \\
      --published_model=published.npz --face_model=model.npz --output=mb05.npz
      A published network of 2DASL, 3DDFA or 3DDFA_V2, in float32. PyTorch is not needed, and no code in the files is
      executed.

A published network predicts coefficients of its authors' face model (--published_model), in their unit and with their
origin. The weights predict the same faces in coefficients of --face_model, the same model in another unit, for example
in millimetres and standard deviations. Without --published_model, --face_model is the published model itself.
docs/weights.md lists the sources of the files.
"""

import pathlib

import numpy as np
from absl import flags

from experiments import conditional_flags
from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError
from twodasl_jax.models.face_model import load_face_model
from twodasl_jax.models.weights import Weights, save_weights
from twodasl_jax.training.checkpoints import best_step, trained_weights
from twodasl_jax.weight_formats.published_weights import for_face_model, read_published_weights

_OUTPUT = flags.DEFINE_string("output", None, "The weights file to write (.npz).", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "The folder of a training run.")
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    "last",
    "With --workdir: last, best (on held-out faces), or the step of the checkpoint.",
)
_PUBLISHED = flags.DEFINE_string("published", None, "A PyTorch checkpoint (.pth, .pth.tar).")
_WHITENING = flags.DEFINE_string(
    "whitening",
    None,
    "With --published: the mean and standard deviation of the 62 coefficients, as the pickle that belongs to the "
    "checkpoint or an .npz file of param_mean and param_std.",
)
_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "With --published: the face model to use the weights with (.npz)."
)
_PUBLISHED_MODEL = flags.DEFINE_string(
    "published_model",
    None,
    "With --published: the same face model in its authors' unit (.npz), if --face_model has another one.",
)


def main() -> None:
    workdir, published = _WORKDIR.value, _PUBLISHED.value
    dtype: type[np.floating]
    if workdir and not published:
        weights, dtype = run_weights(pathlib.Path(workdir)), np.float16
    elif published and not workdir:
        # float16 is too coarse for the smallest variances of the published networks.
        weights, dtype = published_weights(pathlib.Path(published)), np.float32
    else:
        raise ConfigError(
            "Give one source of the weights: --workdir for a training run, or --published for a published checkpoint."
        )
    save_weights(_OUTPUT.value, weights, dtype)
    print(
        f"{_OUTPUT.value}: {weights.architecture} for face model {weights.face_model}, "
        f"{pathlib.Path(_OUTPUT.value).stat().st_size / 1e6:.2f} MB"
    )


def run_weights(workdir: pathlib.Path) -> Weights:
    """Returns the averaged weights of the checkpoint that --checkpoint names."""
    conditional_flags.reject("--workdir", _WHITENING, _FACE_MODEL, _PUBLISHED_MODEL)
    name = _CHECKPOINT.value
    if name == "best":
        return trained_weights(workdir, best_step(workdir))
    if name == "last":
        return trained_weights(workdir)
    if not name.isdecimal():
        raise ConfigError(f"--checkpoint={name}: use last, best or the number of a step.")
    return trained_weights(workdir, int(name))


def published_weights(checkpoint: pathlib.Path) -> Weights:
    """Returns the weights of a published checkpoint for --face_model."""
    conditional_flags.reject("--published", _CHECKPOINT)
    whitening = conditional_flags.required(_WHITENING, "--published")
    face_model = conditional_flags.required(_FACE_MODEL, "--published")
    published = read_published_weights(checkpoint, pathlib.Path(whitening))
    model = load_face_model(face_model)
    published_model = load_face_model(_PUBLISHED_MODEL.value) if _PUBLISHED_MODEL.value else model
    return for_face_model(published, published_model, model)


if __name__ == "__main__":
    entry_points.run(main)
