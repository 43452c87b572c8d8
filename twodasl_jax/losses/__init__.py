"""Losses of 2DASL: pure functions that return one value per example, and the mean over a batch.

    L = L_3d + l1 L_2d_con + l2 L_3d_con + l3 L_cyc + l4 L_sc                  (2DASL, section 3)

    equation                          function                         shapes           source
    2DASL
    L_3d = (a' - a*)^T W (a' - a*)    `weighted_parameter_distance`    3 x (B, C)       paper
    W = diag(w), w from landmarks     `displacement_weights`           2 x (B, C)       paper; scale: ours
    L_2d_con = d(y_2d, x_2d)          `point_distance`, weighted       2 x (B, K, 2)    paper; norm, unit: ours
    L_3d_con = d(x_3d', x_3d)         `point_distance`                 2 x (B, 68, 3)   paper; norm, unit: ours
    L_cyc = d(y_2d', x_2d)            `point_distance`, weighted       2 x (B, K, 2)    paper; norm, unit: ours
    L_sc                              `AdversarialLoss.regressor`      (B,)             paper; form: ours
    loss of the self-critic           `AdversarialLoss.real`, `.fake`  (B,)             paper; form: ours
    3DDFA
    VDC, loss of the second stage     `point_distance`                 2 x (B, V, 3)    3DDFA
    PDC                               `parameter_distance`             2 x (B, C)       3DDFA
    other
    PDC without the pose              `coefficient_distance`           2 coefficients   ours
    Gaussian prior of the face model  `coefficient_prior`              coefficients     ours
    mean over the batch               `batch_mean`                     (B,)             ours

    a*, a'         the annotated and the predicted coefficient vector, both whitened
    x_2d           the labels, from which the first pass gets its input landmarks
    x_3d, y_2d     the 3D landmarks of the first prediction, and their projection
    x_3d', y_2d'   the same of the second pass, which receives the landmark map of y_2d
    d              the distance between two sets of points

Points are in the crop frame. Distances are fractions of the crop side, so loss weights do not
depend on the number of pixels. The losses do not depend on networks: `training.method` makes the
predictions.

References:
  Tu et al., Joint 3D Face Reconstruction and Dense Face Alignment from A Single Image with
    2D-Assisted Self-Supervised Learning, arXiv 1903.09359 (2DASL).
  Zhu et al., Face Alignment Across Large Poses: A 3D Solution, CVPR 2016 (3DDFA: PDC, WPDC, VDC).
"""

from twodasl_jax.losses.annotated import (
    coefficient_distance,
    coefficient_prior,
    displacement_weights,
    parameter_distance,
    weighted_parameter_distance,
)
from twodasl_jax.losses.points import POINT_NORMS, PointNorm, batch_mean, point_distance
from twodasl_jax.losses.self_critic import ADVERSARIAL_LOSSES, AdversarialLoss

__all__ = [
    "ADVERSARIAL_LOSSES",
    "POINT_NORMS",
    "AdversarialLoss",
    "PointNorm",
    "batch_mean",
    "coefficient_distance",
    "coefficient_prior",
    "displacement_weights",
    "parameter_distance",
    "point_distance",
    "weighted_parameter_distance",
]
