"""Encoding of arrays, images and files as text in a page."""

import base64
import io
import json
import zlib
from typing import Any

import numpy as np
from jaxtyping import Float, Int16, Shaped, UInt8
from PIL import Image

_MAX_IMAGE_SIDE = 1600
_JPEG_QUALITY = 88
_INT16_MAX = 32767


def encode_array(values: Shaped[np.ndarray, "*shape"]) -> dict[str, str]:
    """Returns the type of an array and its encoded values, row by row, little-endian."""
    stored = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return {"type": values.dtype.name, "data": encode_bytes(stored.tobytes())}


def encode_quantised(values: Float[np.ndarray, "*shape"]) -> dict[str, Any]:
    """Returns an encoded int16 array and its step. The largest magnitude is 32767 steps."""
    step = max(float(np.abs(values).max()), float(np.finfo(np.float32).tiny)) / _INT16_MAX
    steps: Int16[np.ndarray, "*shape"] = np.rint(values / step).astype(np.int16)
    return {**encode_array(steps), "step": step}


def encode_bytes(content: bytes) -> str:
    """Returns bytes as text, compressed with zlib, in base64."""
    return base64.b64encode(zlib.compress(content, 9)).decode()


def jpeg_url(image: UInt8[np.ndarray, "H W 3"]) -> str:
    """Returns an image as a data URL. The longer side is reduced to 1600 pixels if it is larger."""
    reduced = Image.fromarray(image)
    reduced.thumbnail((_MAX_IMAGE_SIDE, _MAX_IMAGE_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    reduced.save(file, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def script_json(content: dict[str, Any]) -> str:
    """Returns JSON for a script element. Without "<", no text in it can close the element."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")
