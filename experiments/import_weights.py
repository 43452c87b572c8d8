"""Makes weights that `Reconstructor` reads of a published checkpoint of 2DASL, 3DDFA or 3DDFA_V2; needs no PyTorch.

  python experiments/import_weights.py --checkpoint=mb05_120x120.pth --whitening=param_mean_std_62d_120x120.pkl \\
      --published_model=published.npz --face_model=model.npz --output=mb05.npz

The network predicts coefficients of its authors' face model, in their units and about their origin: --published_model.
The weights predict the same faces in coefficients of --face_model, which is the same model in millimetres and standard
deviations, for example; without --published_model it is the published one. Checkpoints and pickles are read without
executing anything in them. Where to get the files: docs/weights.md.
"""

import pathlib

import numpy as np
from absl import flags

from twodasl_jax.commands import entry_points
from twodasl_jax.models.face_model import load_face_model
from twodasl_jax.models.weights import save_weights
from twodasl_jax.weight_formats.published_weights import for_face_model, read_published_weights

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "What PyTorch wrote (.pth, .pth.tar).", required=True
)
_WHITENING = flags.DEFINE_string(
    "whitening",
    None,
    "Mean and deviation of the 62 coefficients: the pickle that comes with the checkpoint, or an .npz of param_mean "
    "and param_std.",
    required=True,
)
_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "The face model that the weights will be used with (.npz).", required=True
)
_PUBLISHED_MODEL = flags.DEFINE_string(
    "published_model", None, "The same in its authors' units, where --face_model has other ones."
)
_OUTPUT = flags.DEFINE_string("output", None, "File to write (.npz, float32).", required=True)


def main() -> None:
    published = read_published_weights(
        pathlib.Path(_CHECKPOINT.value), pathlib.Path(_WHITENING.value)
    )
    model = load_face_model(_FACE_MODEL.value)
    own = load_face_model(_PUBLISHED_MODEL.value) if _PUBLISHED_MODEL.value else model
    weights = for_face_model(published, own, model)
    # In float16 the smallest variances of these networks would lose too much.
    save_weights(_OUTPUT.value, weights, np.float32)
    print(
        f"{_OUTPUT.value}: {weights.architecture} for face model {weights.face_model}, "
        f"{pathlib.Path(_OUTPUT.value).stat().st_size / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    entry_points.run(main)
