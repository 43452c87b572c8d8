"""The 68 iBUG landmarks on the base mesh, with their anatomical meaning.

Each landmark of the subject's left half and of the midline is a weighted mean of up to three
neighbouring vertices of hm08. The right half is the mirror image. The landmarks follow the 3D definition
of the mark-up in 300W-LP: the jaw line is fixed to the head, from the ear along the edge of the mandible
to the chin, and does not follow the visible outline of the face.
"""

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.geometry.mirroring import LANDMARK_MIRROR

# fmt: off
LEFT_AND_MIDLINE = {
    # The jaw line, from the chin to the ear.
    8: {5296: 1.0},                                  # menton, the lowest point of the chin
    9: {11899: 0.8, 7620: 0.1, 7616: 0.1},           # edge of the mandible beside the chin
    10: {7593: 0.25, 10366: 0.15, 7619: 0.6},
    11: {7462: 0.35, 7595: 0.2, 7594: 0.45},
    12: {7460: 0.25, 7459: 0.55, 7596: 0.2},         # gonion, the angle of the mandible
    13: {7459: 0.05, 7613: 0.9, 7597: 0.05},         # its ascending branch, at mouth level
    14: {12349: 0.2, 7571: 0.65, 7634: 0.15},        # below the lobe
    15: {12020: 0.15, 12011: 0.55, 12324: 0.3},      # before the lobe
    16: {12026: 0.2, 12163: 0.55, 12048: 0.25},      # before the root of the ear, at eye level
    # The upper edge of the brow, from the inner to the outer end.
    22: {6980: 0.15, 6983: 0.5, 6956: 0.35},
    23: {6979: 0.3, 6980: 0.6, 6953: 0.1},
    24: {6998: 0.35, 6979: 0.45, 6981: 0.2},
    25: {6999: 0.65, 6981: 0.1, 6982: 0.25},
    26: {7023: 0.5, 7024: 0.35, 6986: 0.15},
    # The nose.
    27: {133: 0.5, 134: 0.5},                        # the bridge between the eyes
    28: {131: 0.25, 5063: 0.75},                     # a third of the way down
    29: {201: 0.2, 291: 0.8},                        # two thirds of the way down
    30: {5054: 0.65, 297: 0.35},                     # the tip
    33: {317: 1.0},                                  # the foot of the columella
    34: {7076: 1.0},                                 # the sill of the nostril
    35: {7055: 0.5, 7095: 0.5},                      # the foot of the wing
    # The eye: corners and lid margins.
    42: {13360: 1.0},                                # inner corner
    43: {6838: 1.0},                                 # upper lid, inner third
    44: {6784: 0.6, 6790: 0.4},                      # upper lid, outer third
    45: {13379: 1.0},                                # outer corner
    46: {6825: 0.8, 6820: 0.2},                      # lower lid, outer third
    47: {6831: 0.7, 6834: 0.3},                      # lower lid, inner third
    # The outer border of the lips.
    51: {455: 1.0},                                  # the dip of Cupid's bow
    52: {7210: 0.75, 7215: 0.25},                    # the peak of Cupid's bow
    53: {7170: 0.6, 7207: 0.2, 11953: 0.2},          # half-way to the corner
    54: {10405: 1.0},                                # the corner of the mouth
    55: {7239: 0.5, 7233: 0.5},                      # lower lip, a third of the way
    56: {7245: 0.7, 7239: 0.15, 7235: 0.15},         # lower lip, two thirds of the way
    57: {496: 1.0},                                  # the middle of the lower lip
    # The inner border of the lips.
    62: {474: 0.5, 468: 0.5},                        # upper lip, middle
    63: {7218: 0.6, 7221: 0.4},                      # upper lip, between middle and corner
    64: {7188: 1.0},                                 # where the lips part
    65: {7242: 0.85, 7236: 0.15},                    # lower lip, between middle and corner
    66: {493: 1.0},                                  # lower lip, middle
}
# fmt: on


def landmark_rows(
    mirror: Int[np.ndarray, " N"],
) -> tuple[Int[np.ndarray, "68 3"], Float[np.ndarray, "68 3"]]:
    """Returns the 68 landmarks as weighted means of base-mesh vertices.

    Args:
      mirror: (N,) the mirror map of the base mesh.

    Returns:
      (68, 3) vertex indices and (68, 3) weights. Each row of weights sums to one. Unused entries have
      weight zero and the first vertex of the row.
    """
    vertices = np.zeros((68, 3), dtype=np.int64)
    weights = np.zeros((68, 3))
    for landmark, row in LEFT_AND_MIDLINE.items():
        vertices[landmark] = next(iter(row))
        vertices[landmark, : len(row)] = list(row)
        weights[landmark, : len(row)] = list(row.values())
        vertices[LANDMARK_MIRROR[landmark]] = mirror[vertices[landmark]]
        weights[LANDMARK_MIRROR[landmark]] = weights[landmark]
    return vertices, weights
