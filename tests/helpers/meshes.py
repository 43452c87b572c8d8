"""Meshes from formulas."""

import numpy as np


def sphere(centre, radius, rings=12, segments=24):
    """Returns the vertices and triangles of a closed sphere in the image frame.

    Triangles are counter-clockwise seen from outside, as in the y-up model frame.
    """
    polar, around = np.meshgrid(
        np.linspace(0, np.pi, rings + 1), np.arange(segments) * 2 * np.pi / segments, indexing="ij"
    )
    unit = np.stack(
        [np.sin(polar) * np.sin(around), -np.cos(polar), np.sin(polar) * np.cos(around)], axis=-1
    )
    grid = np.arange(unit[..., 0].size).reshape(polar.shape)
    a, b = grid[:-1], grid[1:]
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    quads = np.stack([a, b, c, d], axis=-1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return (unit.reshape(-1, 3) * radius + centre).astype(np.float32), triangles.astype(np.int32)
