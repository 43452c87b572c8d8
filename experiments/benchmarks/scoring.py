"""Measures how fast predictions are scored: landmarks of 2000 faces, and ICP between dense meshes.

  python experiments/benchmarks/scoring.py

Landmarks: all metrics of two annotation sets, 2D and 3D, in a new process, with compilation, and again without it.
ICP: pairs of surfaces of 53,000 vertices and different topology, some degrees and millimetres apart, with scale, on
all cores. Medians and ranges of several rounds.
"""

import concurrent.futures
import os
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
from absl import flags
from scipy.spatial.transform import Rotation

from twodasl_jax.commands import entry_points
from twodasl_jax.evaluation.mesh_error import Surface, fit_to_surface
from twodasl_jax.geometry.alignment import Similarity
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos, Annotation
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.protocols.scoring import landmark_scores

_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of each measurement.", lower_bound=1)

_FACES = 2000
_PAIRS = 10
_GRIDS = (230, 230), (200, 265)


def random_faces() -> tuple[AnnotatedPhotos, Predictions]:
    """Returns a test set of random points in two annotation sets, and predictions near them."""
    random = np.random.default_rng(0)
    points = random.uniform(100, 300, (_FACES, 68, 3)).astype(np.float32)
    every = np.ones((_FACES, 68), bool)
    photos = AnnotatedPhotos(
        names=tuple(map(str, range(_FACES))),
        photos=(),
        boxes=np.zeros((_FACES, 4), np.float32),
        crop="none",
        annotations={
            "original": Annotation(points, every),
            "reannotated": Annotation(points[..., :2], every),
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


def seconds(run: Callable[[], object]) -> float:
    """Returns how long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    photos, predictions = random_faces()
    first = seconds(lambda: landmark_scores(photos, predictions))
    again = [seconds(lambda: landmark_scores(photos, predictions)) for _ in range(_ROUNDS.value)]
    true, other = (half_ellipsoid(*grid) for grid in _GRIDS)
    turned = (
        other.vertices @ Rotation.from_euler("xyz", [6, -8, 5], degrees=True).as_matrix() / 1.07
    )
    start = Similarity(np.ones(()), np.eye(3), np.array([3.0, -4.0, 5.0]))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:

        def fit_all() -> None:
            list(pool.map(lambda _: fit_to_surface(turned, true, start, True), range(_PAIRS)))

        fit_all()
        rates = [_PAIRS / seconds(fit_all) for _ in range(_ROUNDS.value)]
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}"
    )
    print(
        f"landmarks of {_FACES} faces: {first:.2f} s the first time, {statistics.median(again):.3f} s again"
    )
    print(
        f"ICP, {len(true.vertices)} on {len(other.vertices)} vertices: {statistics.median(rates):.1f} pairs/s "
        f"({min(rates):.1f} .. {max(rates):.1f})"
    )


if __name__ == "__main__":
    entry_points.run(main)
