"""Basel Face Model 2017 and 2019: one HDF5 file in the layout of Statismo.

    shape/model/mean              (3 V,) mm, with shape/model/pcaBasis (3 V, K) and shape/model/pcaVariance (K,)
    expression/model/...          the same for expressions; their mean is added to the mean face
    shape/representer/cells       (3, F) triangles, vertex indices from 0
    metadata/landmarks/json       named points as text: [{"id": "center.nose.tip", "coordinates": [x, y, z]}, ...]

The named points are not the 68 iBUG landmarks. A landmark list may refer to them by name (`landmark_list`).

References:
  Gerig et al., Morphable Face Models - An Open Framework, 2018.
"""

import json
import pathlib
from collections.abc import Mapping

import numpy as np
import scipy.spatial
from jaxtyping import Float

from twodasl_jax.errors import FaceModelError
from twodasl_jax.face_model_formats import fields
from twodasl_jax.face_model_formats.fields import Field
from twodasl_jax.face_model_formats.source_model import Components, SourceModel

_PARTS = ("shape", "expression")
_CELLS, _POINTS = "shape/representer/cells", "metadata/landmarks/json"


def read_basel_2017(path: pathlib.Path) -> SourceModel:
    """Returns the face model of a file, with all of its components.

    Args:
      path: for example model2017-1_bfm_nomouth.h5, model2017-1_face12_nomouth.h5 or model2019_fullHead.h5.

    Raises:
      FaceModelError: the file is missing or damaged, its arrays do not fit together, or h5py is not installed.
    """
    if not path.is_file():
        raise FaceModelError(f"There is no file {path}: give the .h5 file of the model.")
    names = [
        f"{part}/model/{name}" for part in _PARTS for name in ("mean", "pcaBasis", "pcaVariance")
    ]
    found = fields.read_hdf5(path, [*names, _CELLS])
    means = [fields.points(found[f"{part}/model/mean"]) for part in _PARTS]
    if len(means[0]) != len(means[1]):
        raise FaceModelError(
            f"Cannot use {path}: its mean face has {len(means[0])} vertices, its mean expression {len(means[1])}."
        )
    mean = means[0] + means[1]
    shape, expression = (_components(found, part, len(mean)) for part in _PARTS)
    return SourceModel(
        path=path,
        mean=mean,
        shape=shape,
        expression=expression,
        triangles=fields.triangles(found[_CELLS], len(mean), 0),
        millimetres=1.0,
        points=_read_points(path, means[0]),
    )


def _components(found: Mapping[str, Field], part: str, vertex_count: int) -> Components:
    basis = fields.basis(found[f"{part}/model/pcaBasis"], vertex_count)
    variance = fields.standard_deviations(found[f"{part}/model/pcaVariance"], basis.shape[-1])
    return Components(basis, np.sqrt(variance))


def _read_points(path: pathlib.Path, mean: Float[np.ndarray, "V 3"]) -> dict[str, int]:
    """Returns the vertex nearest to each named point, by name."""
    text = fields.read_hdf5_text(path, _POINTS)
    if text is None:
        return {}
    try:
        entries = json.loads(text)
        names = [str(entry["id"]) for entry in entries]
        places = np.array([entry["coordinates"] for entry in entries], np.float64).reshape(-1, 3)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FaceModelError(
            f"Cannot use {path}: {_POINTS} is not a list of points with id and coordinates."
        ) from error
    places = fields.as_field(path, _POINTS, places).values
    _, vertices = scipy.spatial.cKDTree(mean).query(places)
    return dict(zip(names, vertices.tolist(), strict=True))
