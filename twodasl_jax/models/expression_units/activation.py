"""The usual activations of ARKit's 52 facial units, and the pairs of left and right units.

A unit such as "jawOpen" has no opposite, so its activation is never negative. Activations are modelled as half-normal:
the absolute value of a normal variable with mean zero.
"""

# The standard deviations of these normal variables; 1 is the full activation of a unit.
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
# Pairs whose movements cancel if both units are active.
EXCLUSIVE_TWINS = frozenset({"jawLeft", "jawRight", "mouthLeft", "mouthRight"})
# The suffixes of ARKit and of ICT-FaceKit.
_SIDES = {"Left": "Right", "Right": "Left", "_L": "_R", "_R": "_L"}


def twin_of(name: str) -> str:
    """Returns the name of the unit on the other side of the face; a unit of the midline is its own twin."""
    for side, other in _SIDES.items():
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name


def stem_of(name: str) -> str:
    """Returns the name of a unit without its side."""
    for side in _SIDES:
        name = name.removesuffix(side)
    return name


def scale_of(name: str) -> float:
    """Returns the standard deviation of the normal variable underlying a unit's activation."""
    usual = MINOR_SCALE if stem_of(name) in MINOR_UNITS else USUAL_SCALE
    return SCALES.get(name, usual)
