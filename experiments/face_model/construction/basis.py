"""Principal components of weighted displacement fields, in a metric that favours landmarks."""

import dataclasses

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Components:
    """Principal components in order of decreasing standard deviation.

    Attributes:
      basis: (V, 3, C) displacement fields, orthonormal in the metric.
      std: (C,) the standard deviation of each coefficient; `basis * std` is in mm.
    """

    basis: Float[np.ndarray, "V 3 C"]
    std: Float[np.ndarray, " C"]


def without_similarities(
    fields: Float[np.ndarray, "K V 3"],
    vertices: Float[np.ndarray, "V 3"],
    metric: Float[np.ndarray, " V"],
) -> Float[np.ndarray, "K V 3"]:
    """Returns displacement fields without small rotations, translations and scalings of the mean face.

    Args:
      fields: (K, V, 3) displacements in mm.
      vertices: (V, 3) the mean face in mm.
      metric: (V,) the weight of each vertex.

    Returns:
      (K, V, 3) the parts of the fields that are orthogonal, in the metric, to these seven motions.
    """
    centred = vertices - metric @ vertices
    axes = np.eye(3)
    motions = [np.broadcast_to(axis, centred.shape) for axis in axes]
    motions += [np.cross(axis, centred) for axis in axes] + [centred]
    root = np.sqrt(metric)[:, None]
    orthonormal, _ = np.linalg.qr(np.stack([(root * m).ravel() for m in motions], axis=1))
    flat = (root * fields).reshape(len(fields), -1)
    flat = flat - (flat @ orthonormal) @ orthonormal.T
    return flat.reshape(fields.shape) / root


def principal_components(
    fields: Float[np.ndarray, "K V 3"],
    covariance: Float[np.ndarray, "K K"],
    metric: Float[np.ndarray, " V"],
    count: int,
) -> Components:
    """Returns the principal components of random combinations of displacement fields.

    Args:
      fields: (K, V, 3) displacements in mm.
      covariance: (K, K) the covariance of the weights of the fields.
      metric: (V,) the weight of each vertex.
      count: the number of components to keep.

    Returns:
      Components in descending order; the largest entry of each, by magnitude, is positive.
    """
    value, vector = np.linalg.eigh(covariance)
    factor = vector * np.sqrt(np.maximum(value, 0.0))
    root = np.repeat(np.sqrt(metric), 3)
    flat = (factor.T @ fields.reshape(len(fields), -1)) * root
    gram_value, gram_vector = np.linalg.eigh(flat @ flat.T)
    strongest = np.argsort(-gram_value)[:count]
    std = np.sqrt(gram_value[strongest])
    basis = (gram_vector[:, strongest].T @ flat) / std[:, None]
    peak = np.take_along_axis(basis, np.abs(basis).argmax(axis=1)[:, None], axis=1)
    basis = basis * np.sign(peak) / root
    return Components(basis.reshape(count, -1, 3).transpose(1, 2, 0), std)
