"""A small synthetic face model from formulas, so that tests need no licensed data.

The mean face is half an ellipsoid with a nose and a chin, with 13 x 17 vertices and left-right
symmetry. The components are smooth and seeded: even ones are symmetric, odd ones antisymmetric. The
68 landmarks have plausible positions. The module needs NumPy only.
"""

import numpy as np

ROWS, COLUMNS = 13, 17
SHAPE_COUNT, EXPRESSION_COUNT = 40, 10
WIDTH, HEIGHT, DEPTH = 75.0, 105.0, 70.0


def arrays():
    """Returns the fields of a `MorphableModel` as a dictionary of float32 and int32 arrays."""
    vertices, triangles, uv = _mesh()
    corners, weights = _locate(_frontal_landmarks(), vertices, triangles)
    vertices = vertices - np.einsum("lk,lkd->ld", weights, vertices[corners]).mean(axis=0)
    mirror = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)[:, ::-1].ravel()
    random = np.random.default_rng(68)
    fields = {
        "mean": vertices,
        "shape_basis": _smooth_basis(vertices, mirror, SHAPE_COUNT, random),
        "shape_std": 60.0 * 0.93 ** np.arange(SHAPE_COUNT),
        "expression_basis": _smooth_basis(vertices, mirror, EXPRESSION_COUNT, random),
        "expression_std": 30.0 * 0.8 ** np.arange(EXPRESSION_COUNT),
        "triangles": triangles,
        "landmark_vertices": corners,
        "landmark_weights": weights,
        "uv": uv,
        "uv_triangles": triangles,
        "mirror": mirror,
    }
    kinds = {"f": np.float32, "i": np.int32}
    return {name: values.astype(kinds[values.dtype.kind]) for name, values in fields.items()}


def _mesh():
    """Returns vertices (row by row, from the subject's right to left), triangles and uv."""
    latitude = np.radians(np.linspace(80, -80, ROWS))[:, None]
    longitude = np.radians(np.linspace(-85, 85, COLUMNS))[None, :]
    x = WIDTH * np.cos(latitude) * np.sin(longitude)
    y = HEIGHT * np.sin(latitude) + 0 * longitude
    nose = 25 * np.exp(-((x / 12) ** 2) - ((y + 5) / 20) ** 2)
    chin = 8 * np.exp(-((x / 20) ** 2) - ((y + 75) / 15) ** 2)
    z = DEPTH * np.cos(latitude) * np.cos(longitude) + nose + chin
    u, v = np.meshgrid(np.linspace(0, 1, COLUMNS), np.linspace(1, 0, ROWS))

    index = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    on_right = np.arange(COLUMNS - 1)[None, :] < (COLUMNS - 1) / 2
    falling = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)])
    rising = np.stack([np.stack([a, b, d], -1), np.stack([b, c, d], -1)])
    triangles = np.where(on_right[..., None], falling, rising).reshape(-1, 3)
    return np.stack([x, y, z], -1).reshape(-1, 3), triangles, np.stack([u, v], -1).reshape(-1, 2)


def _frontal_landmarks():
    """Returns (68, 2) x, y of the iBUG landmarks on a schematic face of arcs and lines, in mm."""

    def arc(count, centre, radii, start, end):
        angle = np.radians(np.linspace(start, end, count))
        return np.array(centre) + np.stack([np.cos(angle), np.sin(angle)], -1) * radii

    jaw = arc(17, (0, 10), (62, 92), 180, 360)
    brow = arc(5, (-28, 28), (18, 14), 170, 10)
    nose = np.concatenate([np.linspace((0, 25), (0, -8), 4), arc(5, (0, -14), (12, 5), 180, 360)])
    eye = arc(6, (-28, 24), (12, 5), 180, -120)
    lips = np.concatenate(
        [arc(12, (0, -42), (24, 11), 180, -150), arc(8, (0, -42), (17, 4), 180, -135)]
    )
    mirrored = np.array([-1, 1])
    other_brow = brow[::-1] * mirrored
    other_eye = (eye * mirrored)[[3, 2, 1, 0, 5, 4]]
    return np.concatenate([jaw, brow, other_brow, nose, eye, other_eye, lips])


def _locate(points, vertices, triangles):
    """Returns vertex indices and barycentric weights of the triangle that contains each (x, y)."""
    corners = vertices[triangles]
    systems = np.concatenate([corners[..., :2], np.ones((*triangles.shape, 1))], axis=-1)
    targets = np.concatenate([points, np.ones((len(points), 1))], axis=-1)
    weights = np.einsum("pi,tij->ptj", targets, np.linalg.inv(systems))
    chosen = weights.min(axis=-1).argmax(axis=-1)
    return triangles[chosen], weights[np.arange(len(points)), chosen]


def _smooth_basis(vertices, mirror, count, random):
    """Returns (V, 3, count) waves of unit norm, alternately symmetric and antisymmetric."""
    frequency = random.normal(size=(3, 3, count)) / 60
    phase = random.uniform(0, 2 * np.pi, (3, count))
    waves = np.sin(np.einsum("vi,idk->vdk", vertices, frequency) + phase)
    mirrored = waves[mirror] * np.array([-1, 1, 1])[:, None]
    waves = waves + mirrored * (-1.0) ** np.arange(count)
    return waves / np.linalg.norm(waves, axis=(0, 1))
