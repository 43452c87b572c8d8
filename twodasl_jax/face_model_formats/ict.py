"""ICT-FaceKit: a folder `FaceXModel` of OBJ files of one mesh.

    generic_neutral_mesh.obj        the mean face in centimetres, with texture coordinates
    identity000.obj, ...            the mean face displaced by one standard deviation of each shape component
    jawOpen.obj, ...                the mean face with each of the `expressions` of vertex_indices.json fully applied
    vertex_indices.json             idx_to_landmark_verts: the vertices of the 68 landmarks

Only the face is read (material `M_Face`: skin with ears and throat), without the back of the head, mouth, teeth and
eyes.

The files have no statistics of the expressions. `WEIGHT_STD` is this package's choice of the standard deviation of a
blendshape weight: the weight is `WEIGHT_STD` times the coefficient. Negative weights are not valid expressions. The
expressions are also the expression units of the model, under ICT's names.

References:
  Li et al., Learning Formation of Physically-Based Face Attributes, 2020.
"""

import itertools
import json
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.errors import FaceModelError
from twodasl_jax.face_model_formats import fields
from twodasl_jax.face_model_formats.fields import Field
from twodasl_jax.face_model_formats.source_model import Components, SourceModel, Texture

WEIGHT_STD = 0.3

_MILLIMETRES = 10.0
_NEUTRAL, _INDICES = "generic_neutral_mesh.obj", "vertex_indices.json"
_FACE = "M_Face"


class _Face(NamedTuple):
    """The part of the mesh that has the material of the face.

    Attributes:
      vertices: (N,) the mesh vertices of the face, ascending.
      triangles: (F, 3) indices into `vertices`.
      texture: the texture coordinates of the triangles.
    """

    vertices: Int[np.ndarray, " N"]
    triangles: Int[np.ndarray, "F 3"]
    texture: Texture


def read_ict(folder: pathlib.Path) -> SourceModel:
    """Returns the face model of ICT-FaceKit.

    Args:
      folder: the folder `FaceXModel`.

    Raises:
      FaceModelError: a file is missing or damaged, or the files do not fit together.
    """
    path = fields.require_file(folder, _NEUTRAL)
    expressions, landmark_field = _read_indices(fields.require_file(folder, _INDICES))
    shape_paths = [
        fields.require_file(folder, f"identity{number:03}.obj")
        for number in range(_shape_count(folder))
    ]
    expression_paths = [fields.require_file(folder, f"{name}.obj") for name in expressions]
    lines = _read_lines(path)
    neutral = _positions(path, lines)
    face = _face(path, lines, len(neutral))
    landmarks = fields.landmarks(landmark_field, len(neutral), 0)
    if not np.isin(landmarks, face.vertices).all():
        raise FaceModelError(
            f"Cannot use {landmark_field.name}: not all landmarks are vertices of {_FACE}."
        )

    def basis(paths: Sequence[pathlib.Path]) -> Float[np.ndarray, "V 3 K"]:
        displacements = [_displacements(path, neutral)[face.vertices] for path in paths]
        return np.stack(displacements, axis=-1)

    return SourceModel(
        path=folder,
        mean=neutral[face.vertices],
        shape=Components(basis(shape_paths), np.ones(len(shape_paths))),
        expression=Components(
            basis(expression_paths),
            np.full(len(expression_paths), WEIGHT_STD),
            ranked=False,
            names=tuple(expressions),
        ),
        triangles=face.triangles,
        millimetres=_MILLIMETRES,
        landmarks=np.searchsorted(face.vertices, landmarks),
        texture=face.texture,
    )


def _read_indices(path: pathlib.Path) -> tuple[list[str], Field]:
    """Returns the names of the expressions, and the vertices of the landmarks."""
    with fields.reading(path):
        indices = json.loads(path.read_text("utf-8"))
    keys = list(indices) if isinstance(indices, dict) else []
    for key in ("expressions", "idx_to_landmark_verts"):
        if key not in keys:
            raise FaceModelError(
                f"Cannot use {path}: it has no {key}, but {fields.join_names(keys)}."
            )
    names = indices["expressions"]
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise FaceModelError(f"Cannot use {path}: expressions is not a list of names.")
    with fields.reading(path):
        numbers = np.array(indices["idx_to_landmark_verts"])
    return names, fields.as_field(path, "idx_to_landmark_verts", numbers)


def _shape_count(folder: pathlib.Path) -> int:
    """Returns the number of shape components if their files are complete, at least one."""
    numbers = [
        int(path.stem.removeprefix("identity"))
        for path in folder.glob("identity*.obj")
        if path.stem.removeprefix("identity").isdecimal()
    ]
    return max(numbers, default=0) + 1


def _read_lines(path: pathlib.Path) -> list[str]:
    with fields.reading(path):
        return path.read_text("utf-8").splitlines()


def _positions(path: pathlib.Path, lines: Sequence[str]) -> Float[np.ndarray, "V 3"]:
    return _coordinates(path, lines, "v ", 3)


def _displacements(
    path: pathlib.Path, neutral: Float[np.ndarray, "V 3"]
) -> Float[np.ndarray, "V 3"]:
    """Returns the displacements of a mesh from the neutral one."""
    positions = _positions(path, _read_lines(path))
    if len(positions) != len(neutral):
        raise FaceModelError(
            f"Cannot use {path}: it has {len(positions)} vertices, {_NEUTRAL} has {len(neutral)}."
        )
    return positions - neutral


def _coordinates(
    path: pathlib.Path, lines: Sequence[str], key: str, count: int
) -> Float[np.ndarray, "N count"]:
    """Returns the first `count` numbers of each line that starts with the key."""
    with fields.reading(path):
        rows = [
            line[len(key) :].split(maxsplit=count)[:count] for line in lines if line.startswith(key)
        ]
        numbers = np.array(rows, dtype=np.float64).reshape(-1, count)
    return fields.as_field(path, f"lines {key.strip()}", numbers).values


def _face(path: pathlib.Path, lines: Sequence[str], vertex_count: int) -> _Face:
    uv = _coordinates(path, lines, "vt ", 2)
    with fields.reading(path):
        corners = np.array(list(_corners(lines))).reshape(-1, 3, 2)
    if not corners.size:
        raise FaceModelError(f"Cannot use {path}: it has no faces of the material {_FACE}.")
    where = f"{path}, lines f"
    vertices, triangles = np.unique(
        fields.vertex_indices(Field(corners[..., 0], where), vertex_count, 1), return_inverse=True
    )
    used, uv_triangles = np.unique(
        fields.vertex_indices(Field(corners[..., 1], where), len(uv), 1), return_inverse=True
    )
    return _Face(vertices, triangles, Texture(uv[used], uv_triangles))


def _corners(lines: Iterable[str]) -> Iterator[list[list[int]]]:
    """Yields the triangles of the face: for each of three corners, its vertex number and texture number."""
    material = ""
    for line in lines:
        if line.startswith("usemtl "):
            material = line.split()[1]
        elif line.startswith("f ") and material == _FACE:
            corners = [[int(number) for number in word.split("/")[:2]] for word in line.split()[1:]]
            for second, third in itertools.pairwise(corners[1:]):
                yield [corners[0], second, third]
