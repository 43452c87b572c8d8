"""Speed of scoring: landmark errors of 2000 faces, and ICP between dense meshes.

Landmarks: all metrics of two annotation sets, 2D and 3D, with and without compilation. ICP: pairs of surfaces with
53,000 vertices and different topologies, a few degrees and millimetres apart, with scale, on all cores.
"""

import concurrent.futures
import os
import statistics

import numpy as np
from scipy.spatial.transform import Rotation

from experiments.benchmarks.timing import machine, seconds, value_range
from twodasl_jax.evaluation.mesh_error import Surface, fit_to_surface
from twodasl_jax.geometry.alignment import Similarity
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos, Annotation
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.protocols.scoring import landmark_scores

_FACES = 2000
_PAIRS = 10
_GRIDS = (230, 230), (200, 265)


def run(rounds: int) -> None:
    """Prints the medians and ranges of several rounds."""
    print(machine())
    report_landmarks(rounds)
    report_icp(rounds)


def report_landmarks(rounds: int) -> None:
    """Prints the time to score the landmarks of a test set."""
    photos, predictions = random_faces()
    first, *others = (
        seconds(lambda: landmark_scores(photos, predictions)) for _ in range(1 + rounds)
    )
    print(
        f"landmarks of {_FACES} faces: {first:.2f} s with compilation, "
        f"{statistics.median(others):.3f} s without"
    )


def report_icp(rounds: int) -> None:
    """Prints the rate of ICP between two surfaces."""
    true, other = (half_ellipsoid(*grid) for grid in _GRIDS)
    rotation = Rotation.from_euler("xyz", [6, -8, 5], degrees=True).as_matrix()
    moved = other.vertices @ rotation / 1.07
    start = Similarity(np.ones(()), np.eye(3), np.array([3.0, -4.0, 5.0]))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:

        def fit_all() -> None:
            list(pool.map(lambda _: fit_to_surface(moved, true, start, True), range(_PAIRS)))

        fit_all()
        rates = [_PAIRS / seconds(fit_all) for _ in range(rounds)]
    print(
        f"ICP, {len(true.vertices)} on {len(other.vertices)} vertices: "
        f"{statistics.median(rates):.1f} pairs/s ({value_range(rates)})"
    )


def random_faces() -> tuple[AnnotatedPhotos, Predictions]:
    """Returns a test set of random landmarks in two annotation sets, and noisy predictions."""
    random = np.random.default_rng(0)
    points = random.uniform(100, 300, (_FACES, 68, 3)).astype(np.float32)
    visible = np.ones((_FACES, 68), bool)
    photos = AnnotatedPhotos(
        names=tuple(map(str, range(_FACES))),
        photos=(),
        boxes=np.zeros((_FACES, 4), np.float32),
        crop="none",
        annotations={
            "original": Annotation(points, visible),
            "reannotated": Annotation(points[..., :2], visible),
        },
        yaw=random.uniform(-90, 90, _FACES).astype(np.float32),
    )
    noisy = points + random.normal(0, 5, points.shape).astype(np.float32)
    return photos, Predictions("noise", noisy)


def half_ellipsoid(rows: int, columns: int) -> Surface:
    """Returns a surface of the size of a face, with a nose, on a grid."""
    latitude, longitude = np.meshgrid(
        np.radians(np.linspace(80, -80, rows)),
        np.radians(np.linspace(-85, 85, columns)),
        indexing="ij",
    )
    x, y = 75 * np.cos(latitude) * np.sin(longitude), 105 * np.sin(latitude)
    nose = 25 * np.exp(-((x / 12) ** 2) - ((y + 5) / 20) ** 2)
    z = 70 * np.cos(latitude) * np.cos(longitude) + nose
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    triangles = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    return Surface(np.stack([x, y, z], -1).reshape(-1, 3), triangles)
