"""A photo with the faces that were reconstructed from it, and what several outputs need of them."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float, UInt8

from twodasl_jax import mesh_files
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.reconstruction import Face


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """All faces of one photo. What is computed from them is computed once, when it is first asked for.

    Attributes:
      image: the photo, RGB.
      faces: that were reconstructed from it.
      model: the face model of the faces.
    """

    image: UInt8[np.ndarray, "H W 3"]
    faces: tuple[Face, ...]
    model: MorphableModel

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the photo, pixels."""
        height, width, _ = self.image.shape
        return height, width

    @functools.cached_property
    def portraits(self) -> tuple["Portrait", ...]:
        """The faces one by one."""
        return tuple(Portrait(self, face) for face in self.faces)


@dataclasses.dataclass(frozen=True, eq=False)
class Portrait:
    """One face of a photo.

    Attributes:
      scene: the photo and all its faces.
      face: this one.
    """

    scene: Scene
    face: Face

    @functools.cached_property
    def colours(self) -> UInt8[np.ndarray, "V 3"]:
        """The colour of each vertex, sRGB, from the photo."""
        model = self.scene.model
        triangles, mirror = np.asarray(model.triangles), np.asarray(model.mirror)
        return mesh_files.vertex_colours(self.scene.image, self.face.vertices, triangles, mirror)

    @functools.cached_property
    def file_vertices(self) -> Float[np.ndarray, "V 3"]:
        """The mesh in the frame of the mesh files."""
        return mesh_files.file_from_image(self.face.vertices, self.scene.size[0])
