"""A photo with the faces that were reconstructed from it, and what several outputs need of them."""

import dataclasses
import functools

import jax
import numpy as np
from jaxtyping import UInt8

from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.frames import image_from_crop
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.mesh_files import Morphs, TexturedMesh, file_from_image
from twodasl_jax.reconstruction import Face
from twodasl_jax.rendering.atlas import Atlas, build_atlas
from twodasl_jax.rendering.photo_texture import photo_texture, pixels_per_texel
from twodasl_jax.rendering.photo_trust import Surface, build_surface

_TEXTURE_SIZE = 512
_FINER_PHOTO = 1.25  # pixels per texel


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
    def atlas(self) -> Atlas:
        """Where the surface of the faces lies in their textures."""
        model = jax.tree.map(np.asarray, self.model)
        return build_atlas(model.mean, model.triangles, model.uv, model.uv_triangles)

    @functools.cached_property
    def surface(self) -> Surface:
        """What textures need to know of the face model."""
        model = jax.tree.map(np.asarray, self.model)
        landmarks = np.asarray(landmark_space(self.model).mean)
        return build_surface(model.mean, model.triangles, model.mirror, landmarks)

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
    def texture(self) -> UInt8[np.ndarray, "N N 3"]:
        """The texture of the surface, sRGB, from the photo; `Scene.atlas` is its layout.

        It is 512 texels wide, or 1024 where the photo shows more.
        """
        scene, vertices = self.scene, self.face.vertices
        detail = pixels_per_texel(vertices, scene.surface.triangles, scene.atlas, _TEXTURE_SIZE)
        size = _TEXTURE_SIZE if detail < _FINER_PHOTO else 2 * _TEXTURE_SIZE
        return photo_texture(scene.image, vertices, scene.surface, scene.atlas, size)

    @functools.cached_property
    def morphs(self) -> Morphs:
        """The expressions of the face model at one standard deviation, in the frame of the mesh files."""
        model, face = self.scene.model, self.face
        affine = coefficients_from_official(face.coefficients, len(model.shape_std)).affine
        components = np.moveaxis(np.asarray(model.expression_basis * model.expression_std), -1, 0)
        in_crop = components @ np.asarray(affine)[:, :3].T
        origin = np.zeros((1, 3), np.float32)
        in_image = np.stack([image_from_crop(moved, face.box) for moved in in_crop])
        displacements = in_image - np.asarray(image_from_crop(origin, face.box))
        names = tuple(f"expression {number}" for number in range(1, len(components) + 1))
        return Morphs(names, displacements * np.array([1, -1, 1], np.float32))

    @functools.cached_property
    def mesh(self) -> TexturedMesh:
        """The face as mesh files hold it, in their frame."""
        scene = self.scene
        vertices = file_from_image(self.face.vertices, scene.size[0])
        triangles = np.asarray(scene.model.triangles)
        return TexturedMesh(vertices, triangles, scene.atlas, self.texture, self.morphs)
