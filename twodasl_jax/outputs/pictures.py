"""Images of a photo's size: overlays on the photo, and maps of depth, normals and PNCC."""

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from jaxtyping import Float, UInt8, UInt16

from twodasl_jax.files import atomic_files
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.outputs.scene import FaceView, Scene
from twodasl_jax.rendering import maps, marks, surface, wireframe
from twodasl_jax.rendering.layers import Layer, composite


def write_overlay(path: Path, scene: Scene) -> None:
    """Writes the photo with the mesh, the 68 landmarks and the pose axes of all faces."""
    write_png(path, draw_overlay(scene))


def write_wireframe(path: Path, scene: Scene) -> None:
    """Writes the photo with the visible edges of the meshes."""
    write_png(path, draw_wireframe(scene))


def write_landmarks(path: Path, scene: Scene) -> None:
    """Writes the photo with the 68 landmarks of all faces. Hidden landmarks are rings."""
    write_png(path, composite(scene.image, map(_landmark_layer, scene.far_to_near)))


def write_pose(path: Path, scene: Scene) -> None:
    """Writes the photo with a box and pose axes for each head."""
    write_png(path, draw_pose(scene))


def write_depth(path: Path, scene: Scene) -> None:
    """Writes the depth map as 16-bit grey levels. `Scene.depth` has their scale."""
    write_png(path, scene.depth.grey)


def write_pncc(path: Path, scene: Scene) -> None:
    """Writes the Projected Normalised Coordinate Code (3DDFA, Zhu et al., CVPR 2016)."""
    write_png(path, draw_pncc(scene))


def write_normals(path: Path, scene: Scene) -> None:
    """Writes the normal map."""
    write_png(path, draw_normals(scene))


def draw_overlay(scene: Scene) -> UInt8[np.ndarray, "H W 3"]:
    """Draws meshes, landmarks and pose axes over the photo. Larger faces cover smaller ones."""
    triangles, opacity = np.asarray(scene.model.triangles), _opacity(scene)
    layers: list[Layer] = []
    for view in scene.far_to_near:
        layers += (
            surface.mesh_layer(view.face.vertices, triangles, opacity, *scene.size),
            marks.pose_layer(view.face.landmarks, view.rotation, *scene.size),
            _landmark_layer(view),
        )
    return composite(scene.image, layers)


def draw_wireframe(scene: Scene) -> UInt8[np.ndarray, "H W 3"]:
    """Draws the mesh edges that neither their own face nor a larger one hides."""
    opacity = np.tile(_opacity(scene), len(scene.faces))
    layer = wireframe.wireframe_layer(scene.vertices, scene.triangles, opacity, *scene.size)
    return composite(scene.image, [layer])


def draw_pose(scene: Scene) -> UInt8[np.ndarray, "H W 3"]:
    """Draws boxes and pose axes over the photo. Larger faces cover smaller ones."""
    triangles = np.asarray(scene.model.triangles)
    layers: list[Layer] = []
    for view in scene.far_to_near:
        face, rotation = view.face, view.rotation
        layers += (
            marks.box_layer(face.vertices, triangles, face.landmarks, rotation, *scene.size),
            marks.pose_layer(face.landmarks, rotation, *scene.size),
        )
    return composite(scene.image, layers)


def draw_pncc(scene: Scene) -> UInt8[np.ndarray, "H W 3"]:
    """Colours each vertex by its position on the mean face (`maps.normalised_coordinates`)."""
    code = maps.normalised_coordinates(np.asarray(scene.model.mean))
    codes = np.tile(code, (len(scene.faces), 1))
    return maps.coordinate_map(scene.raster, scene.triangles, codes)


def draw_normals(scene: Scene) -> UInt8[np.ndarray, "H W 3"]:
    """Colours the faces by their normals (`maps.normal_map`)."""
    normals = vertex_normals(scene.vertices, scene.triangles)
    return maps.normal_map(scene.raster, scene.triangles, normals)


def write_png(path: Path, image: UInt8[np.ndarray, "H W 3"] | UInt16[np.ndarray, "H W"]) -> None:
    """Writes an image as PNG atomically."""
    with atomic_files.replacing(path) as temporary:
        # The default level takes five times as long for large photos and saves a tenth of the size.
        imageio.imwrite(temporary, image, compress_level=2)


def _landmark_layer(view: FaceView) -> Layer:
    return marks.landmark_layer(view.face.landmarks, view.visible_landmarks, *view.scene.size)


def _opacity(scene: Scene) -> Float[np.ndarray, " V"]:
    model = scene.model
    return surface.opacity_around(np.asarray(model.mean), np.asarray(landmark_space(model).mean))
