"""A photo with the faces that were reconstructed from it, and what several outputs need of them."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float, UInt8

from twodasl_jax import mesh_files
from twodasl_jax.expression_units import ExpressionUnits, component_names, fit_units
from twodasl_jax.geometry.coefficients import Coefficients, coefficients_from_official
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.reconstruction import Face
from twodasl_jax.retargeting import retarget


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """All faces of one photo. What is computed from them is computed once, when it is first asked for.

    Attributes:
      image: the photo, RGB.
      faces: that were reconstructed from it.
      model: the face model of the faces.
      units: its named expression units, if it has any.
      shown: the faces as the photo shows them, where `faces` were given another expression; None where they are these.
    """

    image: UInt8[np.ndarray, "H W 3"]
    faces: tuple[Face, ...]
    model: MorphableModel
    units: ExpressionUnits | None = None
    shown: tuple[Face, ...] | None = None

    def with_expression_of(self, face: Face) -> "Scene":
        """Returns the scene with the expression of a face, of this photo or of another one, on all its faces."""
        faces = tuple(retarget(self.model, own, face) for own in self.faces)
        return dataclasses.replace(self, faces=faces, shown=self.shown or self.faces)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the photo, pixels."""
        height, width, _ = self.image.shape
        return height, width

    @functools.cached_property
    def portraits(self) -> tuple["Portrait", ...]:
        """The faces one by one."""
        shown = self.shown or self.faces
        return tuple(Portrait(self, *pair) for pair in zip(self.faces, shown, strict=True))

    @functools.cached_property
    def expression_names(self) -> tuple[str, ...]:
        """A name for each expression component of the face model: after its units, or a number where it has none."""
        if self.units is None:
            return tuple(f"expression {i + 1}" for i in range(len(self.model.expression_std)))
        return component_names(self.units, self.model)


@dataclasses.dataclass(frozen=True, eq=False)
class Portrait:
    """One face of a photo.

    Attributes:
      scene: the photo and all its faces.
      face: this one.
      shown: it as the photo shows it: with the expression that it has there.
    """

    scene: Scene
    face: Face
    shown: Face

    @functools.cached_property
    def coefficients(self) -> Coefficients:
        """Of the face, by their meaning."""
        model = self.scene.model
        return coefficients_from_official(self.face.coefficients, len(model.shape_std))

    @functools.cached_property
    def activations(self) -> dict[str, float]:
        """How far the face uses each expression unit, from 0 to 1; empty where the face model has no units."""
        units = self.scene.units
        if units is None:
            return {}
        fitted = fit_units(units, self.scene.model, self.coefficients.expression)
        return dict(zip(units.names, fitted.tolist(), strict=True))

    @functools.cached_property
    def colours(self) -> UInt8[np.ndarray, "V 3"]:
        """The colour of each vertex, sRGB, from the photo."""
        model = self.scene.model
        triangles, mirror = np.asarray(model.triangles), np.asarray(model.mirror)
        return mesh_files.vertex_colours(self.scene.image, self.shown.vertices, triangles, mirror)

    @functools.cached_property
    def file_vertices(self) -> Float[np.ndarray, "V 3"]:
        """The mesh in the frame of the mesh files."""
        return mesh_files.file_from_image(self.face.vertices, self.scene.size[0])
