"""A photo with the faces that were reconstructed from it, and what several outputs need of them."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from twodasl_jax import mesh_files
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.reconstruction import Face
from twodasl_jax.rendering import maps, rasterizer


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

    @functools.cached_property
    def far_to_near(self) -> tuple["Portrait", ...]:
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
class Portrait:
    """One face of a photo.

    Attributes:
      scene: the photo and all its faces.
      face: this one.
    """

    scene: Scene
    face: Face

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
    def colours(self) -> UInt8[np.ndarray, "V 3"]:
        """The colour of each vertex, sRGB, from the photo."""
        model = self.scene.model
        triangles, mirror = np.asarray(model.triangles), np.asarray(model.mirror)
        return mesh_files.vertex_colours(self.scene.image, self.face.vertices, triangles, mirror)

    @functools.cached_property
    def file_vertices(self) -> Float[np.ndarray, "V 3"]:
        """The mesh in the frame of the mesh files."""
        return mesh_files.file_from_image(self.face.vertices, self.scene.size[0])
