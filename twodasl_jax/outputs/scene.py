"""A photo with its reconstructed faces, and the arrays that several kinds of output share."""

import dataclasses
import functools

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from twodasl_jax.geometry.coefficients import Coefficients, coefficients_from_official
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.inference.reconstruction import Face
from twodasl_jax.inference.retargeting import retarget
from twodasl_jax.models.expression_units import ExpressionUnits, component_names, fit_units
from twodasl_jax.outputs.mesh_files import MorphTargets, TexturedMesh, file_from_image
from twodasl_jax.rendering import maps, rasterizer, visibility
from twodasl_jax.rendering.atlas import Atlas, build_atlas
from twodasl_jax.rendering.photo_confidence import FaceSurface, build_face_surface
from twodasl_jax.rendering.photo_texture import photo_texture, pixels_per_texel

_TEXTURE_SIZE = 512
# The number of photo pixels per texel above which the texture has twice the size.
_LARGE_TEXTURE_DETAIL = 1.25


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """A photo and its reconstructed faces. Derived arrays are computed on first use and cached.

    Attributes:
      image: the photo, RGB.
      faces: the reconstructed faces.
      model: the face model of the faces.
      units: the expression units of the face model, if it has any.
      original_faces: the faces with their expressions in the photo if `faces` have other
        expressions; otherwise None.
    """

    image: UInt8[np.ndarray, "H W 3"]
    faces: tuple[Face, ...]
    model: MorphableModel
    units: ExpressionUnits | None = None
    original_faces: tuple[Face, ...] | None = None

    def with_expression_of(self, face: Face) -> "Scene":
        """Returns a copy in which every face has the expression of `face`, a face of any photo."""
        faces = tuple(retarget(self.model, own, face) for own in self.faces)
        originals = self.original_faces or self.faces
        return dataclasses.replace(self, faces=faces, original_faces=originals)

    @property
    def size(self) -> tuple[int, int]:
        """The height and width of the photo in pixels."""
        height, width, _ = self.image.shape
        return height, width

    @functools.cached_property
    def atlas(self) -> Atlas:
        """The layout of the face surface in textures."""
        model = jax.tree.map(np.asarray, self.model)
        return build_atlas(model.mean, model.triangles, model.uv, model.uv_triangles)

    @functools.cached_property
    def surface(self) -> FaceSurface:
        """The surface properties of the face model that texturing needs."""
        model = jax.tree.map(np.asarray, self.model)
        landmarks = np.asarray(landmark_space(self.model).mean)
        return build_face_surface(model.mean, model.triangles, model.mirror, landmarks)

    @functools.cached_property
    def face_views(self) -> tuple["FaceView", ...]:
        """A view of each face, in the order of `faces`."""
        originals = self.original_faces or self.faces
        return tuple(FaceView(self, *pair) for pair in zip(self.faces, originals, strict=True))

    @functools.cached_property
    def expression_names(self) -> tuple[str, ...]:
        """The names of the expression components, from the expression units or by number."""
        if self.units is None:
            return tuple(f"expression {i + 1}" for i in range(len(self.model.expression_std)))
        return component_names(self.units, self.model)

    @functools.cached_property
    def expression_displacements(self) -> Float[np.ndarray, "E V 3"]:
        """The vertex displacements at one standard deviation of each component, model frame, mm."""
        model = self.model
        return np.moveaxis(np.asarray(model.expression_basis * model.expression_std), -1, 0)

    @functools.cached_property
    def far_to_near(self) -> tuple["FaceView", ...]:
        """The views in order of increasing face height; taller faces are assumed to be nearer."""
        return tuple(sorted(self.face_views, key=lambda view: np.ptp(view.face.vertices[:, 1])))

    @property
    def vertices(self) -> Float[np.ndarray, "N 3"]:
        """The vertices of all faces as one mesh, image frame. z only orders them by depth."""
        return self._mesh[0]

    @property
    def triangles(self) -> Int[np.ndarray, "T 3"]:
        """The triangles of `vertices`."""
        return self._mesh[1]

    @functools.cached_property
    def _mesh(self) -> tuple[Float[np.ndarray, "N 3"], Int[np.ndarray, "T 3"]]:
        meshes = [view.face.vertices for view in self.far_to_near]
        return rasterizer.join_meshes(meshes, np.asarray(self.model.triangles))

    @functools.cached_property
    def raster(self) -> rasterizer.Raster:
        """The z-buffer of all faces, in the size of the photo."""
        return rasterizer.rasterize(self.vertices, self.triangles, *self.size)

    @functools.cached_property
    def depth(self) -> maps.DepthMap:
        """The depth map of all faces. z is relative to each face, as in its landmarks."""
        z = [view.face.vertices[:, 2] for view in self.far_to_near]
        return maps.depth_map(self.raster, self.triangles, np.concatenate([np.zeros(0), *z]))


@dataclasses.dataclass(frozen=True, eq=False)
class FaceView:
    """One face of a scene, with the arrays that its outputs share.

    Attributes:
      scene: the scene.
      face: the face.
      original: the face with its expression in the photo, from which the texture is taken.
    """

    scene: Scene
    face: Face
    original: Face

    @functools.cached_property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """The rotation from the model frame to camera axes (x right, y up, z toward the camera)."""
        return np.asarray(rotation_from_euler(np.radians(self.face.euler_angles)))

    @functools.cached_property
    def visible_landmarks(self) -> Bool[np.ndarray, "68"]:
        """True for landmarks that neither the face itself nor a nearer face hides."""
        points, triangles = self.face.landmarks, np.asarray(self.scene.model.triangles)
        visible = visibility.visible_points(points, self.face.vertices, triangles)
        nearer = self.scene.far_to_near[self.scene.far_to_near.index(self) + 1 :]
        for vertices in (view.face.vertices for view in nearer):
            behind = points.copy()
            behind[:, 2] = vertices[:, 2].min() - np.ptp(vertices)
            visible &= visibility.visible_points(behind, vertices, triangles)
        return visible

    @functools.cached_property
    def coefficients(self) -> Coefficients:
        """The coefficients of the face, split into pose, shape and expression."""
        model = self.scene.model
        return coefficients_from_official(self.face.coefficients, len(model.shape_std))

    @functools.cached_property
    def activations(self) -> dict[str, float]:
        """The activation of each expression unit, from 0 to 1; empty without units."""
        units = self.scene.units
        if units is None:
            return {}
        fitted = fit_units(units, self.scene.model, self.coefficients.expression)
        return dict(zip(units.names, fitted.tolist(), strict=True))

    @functools.cached_property
    def texture(self) -> UInt8[np.ndarray, "N N 3"]:
        """The texture of the face from the photo, sRGB, in the layout of `Scene.atlas`.

        It has 512 x 512 texels, or 1024 x 1024 if the photo has more detail.
        """
        scene, vertices = self.scene, self.original.vertices
        detail = pixels_per_texel(vertices, scene.surface.triangles, scene.atlas, _TEXTURE_SIZE)
        size = _TEXTURE_SIZE if detail < _LARGE_TEXTURE_DETAIL else 2 * _TEXTURE_SIZE
        return photo_texture(scene.image, vertices, scene.surface, scene.atlas, size)

    @functools.cached_property
    def file_from_model(self) -> Float[np.ndarray, "3 3"]:
        """The linear map of displacements from the model frame (mm) to mesh files (pixels)."""
        return self.face.pose[:, :3] * np.array([[1], [-1], [1]], np.float32)

    @functools.cached_property
    def morph_targets(self) -> MorphTargets:
        """The expression components at one standard deviation, in the frame of mesh files."""
        scene = self.scene
        displacements = scene.expression_displacements @ self.file_from_model.T
        return MorphTargets(scene.expression_names, displacements)

    @functools.cached_property
    def mesh(self) -> TexturedMesh:
        """The textured mesh of the face, in the frame of mesh files."""
        scene = self.scene
        vertices = file_from_image(self.face.vertices, scene.size[0])
        triangles = np.asarray(scene.model.triangles)
        return TexturedMesh(vertices, triangles, scene.atlas, self.texture, self.morph_targets)
