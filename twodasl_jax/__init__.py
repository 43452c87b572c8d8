"""3D face reconstruction and dense alignment from one photo: 2DASL in JAX (Tu et al., arXiv 1903.09359).

    import twodasl_jax as tdl

    reconstructor = tdl.Reconstructor.pretrained()
    faces = reconstructor(image)  # uint8 (H, W, 3) RGB

`twodasl_jax.geometry` defines the frames, units and signs of all results.
"""

from twodasl_jax.errors import (
    BoxError,
    DatasetError,
    FaceModelError,
    InputError,
    LandmarksError,
    OutputError,
    PhotoError,
    WeightsError,
)
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.inference.reconstruction import Face, Reconstructor
from twodasl_jax.inference.retargeting import retarget
from twodasl_jax.models.expression_units import ExpressionUnits, component_names, fit_units
from twodasl_jax.models.face_model import (
    embedded_expression_units,
    embedded_face_model,
    load_expression_units,
    load_face_model,
    save_face_model,
)
from twodasl_jax.models.weights import Weights, embedded_weights, load_weights, save_weights

__all__ = [
    "BoxError",
    "DatasetError",
    "ExpressionUnits",
    "Face",
    "FaceModelError",
    "InputError",
    "LandmarksError",
    "MorphableModel",
    "OutputError",
    "PhotoError",
    "Reconstructor",
    "Weights",
    "WeightsError",
    "component_names",
    "embedded_expression_units",
    "embedded_face_model",
    "embedded_weights",
    "fit_units",
    "load_expression_units",
    "load_face_model",
    "load_weights",
    "read_photo",
    "retarget",
    "save_face_model",
    "save_weights",
]
