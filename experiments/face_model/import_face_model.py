"""Turns a face model that you have into the file that this package reads (`--face_model=model.npz`).

  python experiments/face_model/import_face_model.py --format=bfm2009 --source=BFM --output=model.npz
      BFM: a folder with 01_MorphableModel.mat (Basel, on request: https://faces.dmi.unibas.ch/bfm) and an expression
      basis: Exp_Pca.bin (https://github.com/Juyong/3DFace) with std_exp.txt, BFM_exp_idx.mat, BFM_front_idx.mat and
      facemodel_info.mat (https://github.com/microsoft/Deep3DFaceReconstruction, its folder BFM); or 3DDFA's
      Model_Shape.mat and Model_Exp.mat
  python experiments/face_model/import_face_model.py --format=bfm2017 --source=model2017-1_face12_nomouth.h5 \\
      --landmarks=vertices.txt --output=model.npz
      Basel, on request: https://faces.dmi.unibas.ch/bfm; needs h5py
  python experiments/face_model/import_face_model.py --format=3ddfa --source=3DDFA --output=model.npz
      3DDFA: a checkout of https://github.com/cleardusk/3DDFA with the folder train.configs that its readme links
  python experiments/face_model/import_face_model.py --format=3ddfa_v2 --source=3DDFA_V2 --output=model.npz
      3DDFA_V2: a checkout of https://github.com/cleardusk/3DDFA_V2
  python experiments/face_model/import_face_model.py --format=ict --source=ICT-FaceKit/FaceXModel --output=model.npz
      ICT-FaceKit: a checkout of https://github.com/ICT-VGL/ICT-FaceKit

Nothing in these files is executed, the pickles neither. The result is in millimetres, and its coefficients are in
standard deviations. With --coefficients=published it keeps the unit, the origin and the coefficients in which 2DASL,
3DDFA and 3DDFA_V2 publish their 62 numbers. docs/face_models.md says more of each format, and of the licences.
"""

import pathlib

import numpy as np
from absl import flags

from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError, FaceModelError
from twodasl_jax.face_model_formats import (
    READERS,
    Components,
    SourceModel,
    expression_units,
    published_model,
    read_landmark_list,
    standard_model,
)
from twodasl_jax.geometry.coefficients import EXPRESSION_COUNT, SHAPE_COUNT
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space, truncate
from twodasl_jax.models.face_model import save_face_model

_FORMAT = flags.DEFINE_enum("format", None, list(READERS), "Whose files these are.", required=True)
_SOURCE = flags.DEFINE_string("source", None, "The folder; of bfm2017 the file.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "File to write (.npz).", required=True)
_LANDMARKS = flags.DEFINE_string(
    "landmarks",
    None,
    "A text of the 68 vertices of the landmarks, counted from 0, or names that bfm2017 gives to them, instead of "
    "those that the files name.",
)
_COEFFICIENTS = flags.DEFINE_enum(
    "coefficients",
    "standard",
    ["standard", "published"],
    "In standard deviations, the model in millimetres; or as networks of the 3DDFA family publish them.",
)
_SHAPE_COUNT = flags.DEFINE_integer(
    "shape_count", None, "How many components of identity; 40 if there are.", lower_bound=1
)
_EXPRESSION_COUNT = flags.DEFINE_integer(
    "expression_count", None, "How many of expression; 10 if there are, of ict all.", lower_bound=1
)


def main() -> None:
    source = READERS[_FORMAT.value](pathlib.Path(_SOURCE.value))
    convert = {"standard": standard_model, "published": published_model}[_COEFFICIENTS.value]
    model = truncate(convert(source, landmarks(source)), *component_counts(source))
    save_face_model(_OUTPUT.value, model, expression_units(source, model))
    report(model, source)


def landmarks(source: SourceModel) -> np.ndarray:
    """Returns the (68,) vertices of the landmarks, those of --landmarks before those of the files.

    Raises:
      FaceModelError: neither says which they are.
    """
    if _LANDMARKS.value:
        return read_landmark_list(pathlib.Path(_LANDMARKS.value), source)
    if source.landmarks is None:
        raise FaceModelError(
            f"{source.path} does not say which vertices the 68 landmarks are: list them, counted from 0, in a text "
            "file and give it with --landmarks."
        )
    return source.landmarks


def component_counts(source: SourceModel) -> tuple[int, int]:
    """Returns how many components of identity and of expression to keep.

    Raises:
      ConfigError: more are asked for than there are.
    """
    return (
        component_count(source.shape, _SHAPE_COUNT, SHAPE_COUNT),
        component_count(source.expression, _EXPRESSION_COUNT, EXPRESSION_COUNT),
    )


def component_count(components: Components, flag: flags.FlagHolder[int | None], usual: int) -> int:
    """Returns how many components a flag asks for; without it the usual number, or all where none matters more."""
    held = len(components.std)
    if flag.value is None:
        return min(usual, held) if components.ranked else held
    if flag.value > held:
        raise ConfigError(f"--{flag.name}={flag.value}: the face model has {held} of them.")
    return flag.value


def report(model: MorphableModel, source: SourceModel) -> None:
    """Prints what was written, and what was not in the files."""
    unit = "mm" if _COEFFICIENTS.value == "standard" else f"units of {source.millimetres:g} mm"
    print(
        f"{_OUTPUT.value}: {len(model.mean)} vertices, {len(model.triangles)} triangles, {len(model.shape_std)} "
        f"components of identity and {len(model.expression_std)} of expression, {unit}"
    )
    centred = np.asarray(model.mean) - np.asarray(landmark_space(model).mean).mean(axis=0)
    asymmetry = np.linalg.norm(centred[model.mirror] * [-1, 1, 1] - centred, axis=1)
    print(
        f"A vertex and the mirror image of its partner are {np.median(asymmetry):.2g} apart in the median, and of 99 "
        f"in 100 less than {np.percentile(asymmetry, 99):.2g}"
    )
    if source.expression.names:
        print(
            f"The expressions have names: they are the model's {len(source.expression.names)} expression units."
        )
    if source.texture is None:
        print("The files have no texture coordinates: the mean face is unrolled from a cylinder.")


if __name__ == "__main__":
    entry_points.run(main)
