"""Synthetic photos of random faces of a face model, with their exact ground truth.

    parameters -> renderable_model (the face model, prepared once) -> picture

    picture           composites background, face and occluder, then simulates the camera
    parameters        the parameters of a face and its photo, and their distribution
    renderable_model  the face model with the places of brows, eyes, lips, beard and hair
    skin, light, background, occluders, camera, drawing

The landmarks of the face model locate all regions, so any face model works. The pictures depend
only on a random generator and on textures, if any are given. Positions on the face are given in
millimetres of the mean face. Their origin is the mean of its landmarks. By definition, the outer
corners of its eyes are 84 mm apart.
"""

from twodasl_jax.synthetic_faces.parameters import Conditions, FaceParameters, sample_parameters
from twodasl_jax.synthetic_faces.picture import SIDE, SyntheticFace, render, synthetic_face
from twodasl_jax.synthetic_faces.renderable_model import RenderableModel, build_renderable_model

__all__ = [
    "SIDE",
    "Conditions",
    "FaceParameters",
    "RenderableModel",
    "SyntheticFace",
    "build_renderable_model",
    "render",
    "sample_parameters",
    "synthetic_face",
]
