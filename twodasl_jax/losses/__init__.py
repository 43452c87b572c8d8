"""The losses of 2DASL as pure functions: one value per example, reduced in one place.

    L = L_3d + l1 L_2d_con + l2 L_3d_con + l3 L_cyc + l4 L_sc                      (2DASL, section 3)

    equation                               function                              shapes                    source
    L_3d = (a' - a*)^T W (a' - a*)         `weighted_parameter_distance`         (B, C) (B, C) (B, C)      paper
      W = diag(w), see there               `displacement_weights`                (B, C) (B, C)             paper; its
                                                                                                           scale ours
    L_2d_con: y_2d against x_2d            `point_distance`, weighted            (B, K, 2) (B, K, 2)       paper; its
    L_cyc: y_2d' against x_2d              `point_distance`, weighted            (B, K, 2) (B, K, 2)       norm and
    L_3d_con: x_3d' against x_3d           `point_distance`                      (B, 68, 3) (B, 68, 3)     unit ours
    L_sc, for the regressor                `AdversarialLoss.fooled`              (B,)                      paper; its
    the critic's own loss                  `AdversarialLoss.real`, `.fake`       (B,)                      form ours
    VDC, the second stage                  `point_distance`                      (B, V, 3) (B, V, 3)       3DDFA
    PDC                                    `parameter_distance`                  (B, C) (B, C)             3DDFA
    PDC without its pose                   `coefficient_distance`                coefficients              our choice
    Gaussian prior of the face model       `coefficient_prior`                   coefficients              our choice
    mean over the batch                    `batch_mean`                          (B,)                      our choice

a* is the annotated and a' the predicted coefficient vector, both whitened; x_2d are the input landmarks, x_3d the 3D
landmarks of the first prediction and y_2d their projection; x_3d' and y_2d' are those of the second pass, whose
landmark map shows y_2d. Points are in the crop frame, and distances are shares of the crop's side, so that weights do
not depend on its pixels. Nothing here knows about networks: `training.method` makes the predictions.

References:
  Tu et al., Joint 3D Face Reconstruction and Dense Face Alignment from A Single Image with 2D-Assisted
    Self-Supervised Learning, arXiv 1903.09359 (2DASL).
  Zhu et al., Face Alignment Across Large Poses: A 3D Solution, CVPR 2016 (3DDFA: PDC, WPDC, VDC).
"""

from twodasl_jax.losses.annotated import (
    coefficient_distance,
    coefficient_prior,
    displacement_weights,
    parameter_distance,
    weighted_parameter_distance,
)
from twodasl_jax.losses.points import POINT_NORMS, PointNorm, point_distance
from twodasl_jax.losses.reduction import batch_mean
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
