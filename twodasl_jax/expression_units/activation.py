"""How strongly and how jointly people use the 52 facial units of ARKit.

A unit such as "jawOpen" has no opposite, so its activation is never negative. Activations are taken
to be half-normal: each unit follows a normal distribution of which only the non-negative side occurs.
"""

# Standard deviation of the normal variable behind each activation (1 is a unit's full strength).
USUAL_SCALE = 0.6
MINOR_SCALE = 0.25
MINOR_UNITS = (
    "cheekPuff", "cheekSquint", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "jawForward",
    "mouthDimple", "mouthFrown", "mouthPress", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthStretch", "noseSneer",
)  # fmt: skip
SCALES = {
    "jawOpen": 0.3,
    "jawLeft": 0.3,
    "jawRight": 0.3,
    "mouthLeft": 0.5,
    "mouthRight": 0.5,
    "tongueOut": 0.0,
    "mouthClose": 0.0,
}
# Moving to both sides at once is no movement at all.
EXCLUSIVE_TWINS = frozenset({"jawLeft", "jawRight", "mouthLeft", "mouthRight"})
# ARKit's endings, and ICT-FaceKit's.
_SIDES = {"Left": "Right", "Right": "Left", "_L": "_R", "_R": "_L"}


def twin_of(name: str) -> str:
    """The name of a unit's mirror image; a unit on the midline is its own."""
    for side, other in _SIDES.items():
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name


def stem_of(name: str) -> str:
    """The name of a unit without its side."""
    for side in _SIDES:
        name = name.removesuffix(side)
    return name


def scale_of(name: str) -> float:
    """The standard deviation of the normal variable behind a unit's activation."""
    usual = MINOR_SCALE if stem_of(name) in MINOR_UNITS else USUAL_SCALE
    return SCALES.get(name, usual)
