"""Script that writes the golden files to its folder: `python -m tests.golden.make_golden`.

The computation uses NumPy in double precision, with plain loops. It shares no code with the package,
so the files are an independent oracle.
"""

import pathlib

import numpy as np

from tests.helpers import synthetic_model

FOLDER = pathlib.Path(__file__).parent
CROP = 120


def projection(random):
    """Projects every tenth vertex of three faces of the synthetic model to a crop."""
    model = {name: values.astype(float) for name, values in synthetic_model.arrays().items()}
    shape, expression = random.normal(size=(3, 40)), random.normal(size=(3, 10))
    yaw_pitch_roll = np.radians([[0, 0, 0], [35, -10, 15], [-80, 20, -30]])
    scale = np.array([0.45, 0.5, 0.4])
    translation = np.array([[60, 62, 0], [58, 66, 3], [64, 55, -8]], float)
    vertices = []
    for k in range(3):
        displacement = model["shape_basis"] @ (model["shape_std"] * shape[k])
        displacement += model["expression_basis"] @ (model["expression_std"] * expression[k])
        rotated = (model["mean"] + displacement)[::10] @ euler_matrix(*yaw_pitch_roll[k]).T
        x, y, z = scale[k] * rotated.T
        vertices.append(np.stack([x, -y, z], axis=-1) + translation[k])
    return {
        "shape": shape,
        "expression": expression,
        "yaw_pitch_roll": yaw_pitch_roll,
        "scale": scale,
        "translation": translation,
        "vertices": np.stack(vertices),
    }


def euler_matrix(yaw, pitch, roll):
    """Returns Rx(pitch) Ry(yaw) Rz(roll) of 300W-LP; factors are transposed right-handed rotations."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def landmark_map(random):
    """Draws 68 points, some missing or outside: a hard map, and a Gaussian map at a quarter size."""
    points = random.uniform(-15, 135, (68, 2)).astype(np.float32)
    points[[3, 30]] = np.nan
    points[:6, 0] = [-0.5, -1, 119.999, 120, 0, 59.5]
    hard = np.full((CROP, CROP), -1, np.int8)
    for x, y in points:
        if 0 <= x < CROP and 0 <= y < CROP:
            hard[int(y), int(x)] = 1
    small = points / 4
    gaussian = np.full((CROP // 4, CROP // 4), -1.0)
    for row in range(CROP // 4):
        for column in range(CROP // 4):
            squared = (column + 0.5 - small[:, 0]) ** 2 + (row + 0.5 - small[:, 1]) ** 2
            gaussian[row, column] = 2 * np.nanmax(np.exp(-squared / (2 * 1.5**2))) - 1
    return {"points": points, "hard": hard, "gaussian_quarter_size": gaussian.astype(np.float32)}


def whitening(random):
    """Whitens vectors of 62 coefficients by their own mean and standard deviation."""
    spread = 10 ** random.uniform(-4, 5, 62)
    vectors = random.normal(size=(5, 62)) * spread + random.normal(size=62) * spread
    mean, std = vectors.mean(axis=0), vectors.std(axis=0)
    return {"vectors": vectors, "mean": mean, "std": std, "whitened": (vectors - mean) / std}


if __name__ == "__main__":
    for make in (projection, landmark_map, whitening):
        np.savez_compressed(FOLDER / f"{make.__name__}.npz", **make(np.random.default_rng(2019)))
