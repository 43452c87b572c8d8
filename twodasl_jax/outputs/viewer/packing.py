"""Arrays, pictures and files as text inside a page."""

import base64
import io
import json
import zlib
from typing import Any

import numpy as np
from jaxtyping import Float, Int16, Shaped, UInt8
from PIL import Image

_LONG_SIDE = 1600
_QUALITY = 88
_INT16_MAX = 32767


def packed(values: Shaped[np.ndarray, "*shape"]) -> dict[str, str]:
    """Returns an array with the name of its type, row by row, least significant byte first."""
    stored = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return {"type": values.dtype.name, "data": deflated(stored.tobytes())}


def packed_steps(values: Float[np.ndarray, "*shape"]) -> dict[str, Any]:
    """Returns an array as whole multiples of a step, of which the largest value is 32767."""
    step = max(float(np.abs(values).max()), float(np.finfo(np.float32).tiny)) / _INT16_MAX
    steps: Int16[np.ndarray, "*shape"] = np.rint(values / step).astype(np.int16)
    return {**packed(steps), "step": step}


def deflated(content: bytes) -> str:
    """Returns bytes compressed by zlib, base64."""
    return base64.b64encode(zlib.compress(content, 9)).decode()


def jpeg_url(picture: UInt8[np.ndarray, "H W 3"]) -> str:
    """Returns a picture as an address that holds it, made smaller where it is very large."""
    reduced = Image.fromarray(picture)
    reduced.thumbnail((_LONG_SIDE, _LONG_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    reduced.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def script_json(content: dict[str, Any]) -> str:
    """Returns JSON that cannot end the script element that it stands in."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")
