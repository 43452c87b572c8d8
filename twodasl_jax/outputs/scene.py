"""A photo with the faces that were reconstructed from it, and what several outputs need of them."""

import dataclasses
import functools

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from twodasl_jax.expression_units import ExpressionUnits, component_names, fit_units
from twodasl_jax.geometry.coefficients import Coefficients, coefficients_from_official
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.inference.reconstruction import Face
from twodasl_jax.inference.retargeting import retarget
from twodasl_jax.outputs.mesh_files import Morphs, TexturedMesh, file_from_image
from twodasl_jax.rendering import maps, rasterizer
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
    def portraits(self) -> tuple["FaceView", ...]:
        """The faces one by one."""
        shown = self.shown or self.faces
        return tuple(FaceView(self, *pair) for pair in zip(self.faces, shown, strict=True))

    @functools.cached_property
    def expression_names(self) -> tuple[str, ...]:
        """A name for each expression component of the face model: after its units, or a number where it has none."""
        if self.units is None:
            return tuple(f"expression {i + 1}" for i in range(len(self.model.expression_std)))
        return component_names(self.units, self.model)

    @functools.cached_property
    def far_to_near(self) -> tuple["FaceView", ...]:
        """The faces from the lowest to the tallest in the photo: larger ones are taken to be nearer."""
        return tuple(sorted(self.portraits, key=lambda one: np.ptp(one.face.vertices[:, 1])))

    @property
    def vertices(self) -> Float[np.ndarray, "N 3"]:
        """All faces as one mesh, far to near, image frame; z tells what is nearer and nothing else."""
        return self._mesh[0]

    @property
    def triangles(self) -> Int[np.ndarray, "T 3"]:
        """The triangles of `vertices`."""
        return self._mesh[1]

    @functools.cached_property
    def _mesh(self) -> tuple[Float[np.ndarray, "N 3"], Int[np.ndarray, "T 3"]]:
        meshes = [portrait.face.vertices for portrait in self.far_to_near]
        return rasterizer.join_meshes(meshes, np.asarray(self.model.triangles))

    @functools.cached_property
    def raster(self) -> rasterizer.Raster:
        """The z-buffer of all faces, in the photo's size."""
        return rasterizer.rasterize(self.vertices, self.triangles, *self.size)

    @functools.cached_property
    def depth(self) -> maps.DepthMap:
        """The depth of each face from its own origin of z, to which its landmarks and mesh files also keep."""
        z = [portrait.face.vertices[:, 2] for portrait in self.far_to_near]
        return maps.depth_map(self.raster, self.triangles, np.concatenate([np.zeros(0), *z]))


@dataclasses.dataclass(frozen=True, eq=False)
class FaceView:
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
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """From the model frame to the camera (x right, y up, z toward the camera)."""
        return np.asarray(rotation_from_euler(np.radians(self.face.euler_angles)))

    @functools.cached_property
    def unhidden_landmarks(self) -> Bool[np.ndarray, "68"]:
        """False for landmarks that lie behind the face itself or behind a nearer one."""
        points, triangles = self.face.landmarks, np.asarray(self.scene.model.triangles)
        unhidden = rasterizer.unhidden_points(points, self.face.vertices, triangles)
        nearer = self.scene.far_to_near[self.scene.far_to_near.index(self) + 1 :]
        for vertices in (portrait.face.vertices for portrait in nearer):
            behind = points.copy()
            behind[:, 2] = vertices[:, 2].min() - np.ptp(vertices)
            unhidden &= rasterizer.unhidden_points(behind, vertices, triangles)
        return unhidden

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
    def texture(self) -> UInt8[np.ndarray, "N N 3"]:
        """The texture of the surface, sRGB, from the photo; `Scene.atlas` is its layout.

        It is 512 texels wide, or 1024 where the photo shows more.
        """
        scene, vertices = self.scene, self.shown.vertices
        detail = pixels_per_texel(vertices, scene.surface.triangles, scene.atlas, _TEXTURE_SIZE)
        size = _TEXTURE_SIZE if detail < _FINER_PHOTO else 2 * _TEXTURE_SIZE
        return photo_texture(scene.image, vertices, scene.surface, scene.atlas, size)

    @functools.cached_property
    def file_from_model(self) -> Float[np.ndarray, "3 3"]:
        """Turns displacements in the model frame, mm, into those in the frame of the mesh files, pixels."""
        return self.face.pose[:, :3] * np.array([[1], [-1], [1]], np.float32)

    @functools.cached_property
    def morphs(self) -> Morphs:
        """The expressions of the face model at one standard deviation, in the frame of the mesh files."""
        model = self.scene.model
        components = np.moveaxis(np.asarray(model.expression_basis * model.expression_std), -1, 0)
        return Morphs(self.scene.expression_names, components @ self.file_from_model.T)

    @functools.cached_property
    def mesh(self) -> TexturedMesh:
        """The face as mesh files hold it, in their frame."""
        scene = self.scene
        vertices = file_from_image(self.face.vertices, scene.size[0])
        triangles = np.asarray(scene.model.triangles)
        return TexturedMesh(vertices, triangles, scene.atlas, self.texture, self.morphs)
