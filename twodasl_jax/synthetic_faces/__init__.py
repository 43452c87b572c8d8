"""Pictures of random faces of a morphable model, with all that there is to know about them.

    parameters -> studio (the face model made ready) -> picture: a photo and its truth

    picture      draws a face: backdrop, face, occluder, camera, one over the other
    parameters   what makes a face and its photo, and how it is distributed
    studio       where brows, eyes, lips and hair are on the mean face, by its landmarks, so that any model will do
    skin, light, backdrop, occluders, camera, blending

Only numbers of the package and of a random generator enter, unless a texture is given. Places on the face ("mm") are
measured in the mean face, from the mean of its landmarks, in units that make the outer corners of its eyes 84 apart.
"""

from twodasl_jax.synthetic_faces.parameters import Conditions, FaceParameters, sample_parameters
from twodasl_jax.synthetic_faces.picture import SIDE, SyntheticFace, render, synthetic_face
from twodasl_jax.synthetic_faces.studio import Studio, build_studio

__all__ = [
    "SIDE",
    "Conditions",
    "FaceParameters",
    "Studio",
    "SyntheticFace",
    "build_studio",
    "render",
    "sample_parameters",
    "synthetic_face",
]
