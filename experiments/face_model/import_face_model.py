"""Converts a published face model to the file format of this package, for `--face_model=model.npz`.

  python experiments/face_model/import_face_model.py --format=bfm2009 --source=BFM --output=model.npz
      BFM is a folder with 01_MorphableModel.mat (Basel, on request: https://faces.dmi.unibas.ch/bfm) and an expression
      basis: Exp_Pca.bin (https://github.com/Juyong/3DFace) with std_exp.txt, BFM_exp_idx.mat, BFM_front_idx.mat and
      facemodel_info.mat (https://github.com/microsoft/Deep3DFaceReconstruction, folder BFM). Alternatively, it has
      3DDFA's Model_Shape.mat and Model_Exp.mat.
  python experiments/face_model/import_face_model.py --format=bfm2017 --source=model2017-1_face12_nomouth.h5 \\
      --landmarks=vertices.txt --output=model.npz
      Basel, on request: https://faces.dmi.unibas.ch/bfm. Needs h5py.
  python experiments/face_model/import_face_model.py --format=3ddfa --source=3DDFA --output=model.npz
      3DDFA is a checkout of https://github.com/cleardusk/3DDFA, with the folder train.configs from its readme's link.
  python experiments/face_model/import_face_model.py --format=3ddfa_v2 --source=3DDFA_V2 --output=model.npz
      3DDFA_V2 is a checkout of https://github.com/cleardusk/3DDFA_V2.
  python experiments/face_model/import_face_model.py --format=ict --source=ICT-FaceKit/FaceXModel --output=model.npz
      ICT-FaceKit is a checkout of https://github.com/ICT-VGL/ICT-FaceKit.

No code in the files is executed, not even in pickles. The result is in millimetres, with coefficients in standard
deviations. --coefficients=published keeps the unit, the origin and the coefficients of the 62 numbers that 2DASL, 3DDFA
and 3DDFA_V2 publish. docs/face_models.md describes each format and its licence.
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

_FORMAT = flags.DEFINE_enum(
    "format", None, list(READERS), "The format of the files.", required=True
)
_SOURCE = flags.DEFINE_string("source", None, "The folder, or the file for bfm2017.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "The file to write (.npz).", required=True)
_LANDMARKS = flags.DEFINE_string(
    "landmarks",
    None,
    "A text file of the vertices of the 68 landmarks, instead of those in the model's files. An entry is an index that "
    "starts at 0, or the name of a point of bfm2017.",
)
_COEFFICIENTS = flags.DEFINE_enum(
    "coefficients",
    "standard",
    ["standard", "published"],
    "standard: standard deviations, with the model in millimetres. published: as predicted by networks of the 3DDFA "
    "family.",
)
_SHAPE_COUNT = flags.DEFINE_integer(
    "shape_count",
    None,
    "The number of shape components (default: the first 40, or all if there are fewer).",
    lower_bound=1,
)
_EXPRESSION_COUNT = flags.DEFINE_integer(
    "expression_count",
    None,
    "The number of expression components (default: the first 10; for ict all).",
    lower_bound=1,
)


def main() -> None:
    source = READERS[_FORMAT.value](pathlib.Path(_SOURCE.value))
    convert = {"standard": standard_model, "published": published_model}[_COEFFICIENTS.value]
    model = truncate(convert(source, landmarks(source)), *component_counts(source))
    save_face_model(_OUTPUT.value, model, expression_units(source, model))
    report(model, source)


def landmarks(source: SourceModel) -> np.ndarray:
    """Returns the (68,) vertices of the landmarks from --landmarks, or else from the files.

    Raises:
      FaceModelError: --landmarks is missing, and the files do not contain them.
    """
    if _LANDMARKS.value:
        return read_landmark_list(pathlib.Path(_LANDMARKS.value), source)
    if source.landmarks is None:
        raise FaceModelError(
            f"{source.path} does not contain the vertices of the 68 landmarks: list their indices, which start at 0, "
            "in a text file and give it with --landmarks."
        )
    return source.landmarks


def component_counts(source: SourceModel) -> tuple[int, int]:
    """Returns the numbers of shape and expression components to keep.

    Raises:
      ConfigError: a flag is larger than the number of components.
    """
    return (
        component_count(source.shape, _SHAPE_COUNT, SHAPE_COUNT),
        component_count(source.expression, _EXPRESSION_COUNT, EXPRESSION_COUNT),
    )


def component_count(
    components: Components, flag: flags.FlagHolder[int | None], default: int
) -> int:
    """Returns the value of a flag; by default `default`, or all components if they are not ranked."""
    available = len(components.std)
    if flag.value is None:
        return min(default, available) if components.ranked else available
    if flag.value > available:
        raise ConfigError(f"--{flag.name}={flag.value}: the face model has only {available}.")
    return flag.value


def report(model: MorphableModel, source: SourceModel) -> None:
    """Prints a summary of the written model."""
    unit = "mm" if _COEFFICIENTS.value == "standard" else f"units of {source.millimetres:g} mm"
    print(
        f"{_OUTPUT.value}: {len(model.mean)} vertices, {len(model.triangles)} triangles, {len(model.shape_std)} "
        f"shape and {len(model.expression_std)} expression components, {unit}"
    )
    centred = np.asarray(model.mean) - np.asarray(landmark_space(model).mean).mean(axis=0)
    asymmetry = np.linalg.norm(centred[model.mirror] * [-1, 1, 1] - centred, axis=1)
    print(
        f"Asymmetry, the distance of a vertex from the mirror image of its partner: median {np.median(asymmetry):.2g}, "
        f"99th percentile {np.percentile(asymmetry, 99):.2g}"
    )
    if source.expression.names:
        print(
            f"The {len(source.expression.names)} named expressions become the model's expression units."
        )
    if source.texture is None:
        print(
            "The files have no texture coordinates: they are computed by unrolling the mean face from a cylinder."
        )


if __name__ == "__main__":
    entry_points.run(main)
