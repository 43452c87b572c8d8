"""Readers for published face models, and their conversion to `MorphableModel`.

    fields.py           arrays of single files: read without executing code, then checked
    source_model.py     a face model in the unit, frame and vertex numbering of its files
    basel_2009.py       Basel Face Model 2009 with an expression basis: `bfm2009`
    basel_2017.py       Basel Face Model 2017 and 2019: `bfm2017`
    tddfa.py            the models of 3DDFA and 2DASL, and of 3DDFA_V2: `3ddfa`, `3ddfa_v2`
    ict.py              ICT-FaceKit: `ict`
    landmark_list.py    the vertices of the 68 landmarks, for formats that do not store them
    normalization.py    conversion to the model frame and to `MorphableModel`
    mirror.py           the mirror map of a mesh that is not exactly symmetric

The package contains none of these models. docs/face_models.md lists their sources.
"""

import pathlib
from collections.abc import Callable, Mapping

from twodasl_jax.face_model_formats.basel_2009 import read_basel_2009
from twodasl_jax.face_model_formats.basel_2017 import read_basel_2017
from twodasl_jax.face_model_formats.ict import read_ict
from twodasl_jax.face_model_formats.landmark_list import read_landmark_list
from twodasl_jax.face_model_formats.normalization import (
    expression_units,
    published_model,
    standard_model,
)
from twodasl_jax.face_model_formats.source_model import Components, SourceModel
from twodasl_jax.face_model_formats.tddfa import read_3ddfa, read_3ddfa_v2

READERS: Mapping[str, Callable[[pathlib.Path], SourceModel]] = {
    "bfm2009": read_basel_2009,
    "bfm2017": read_basel_2017,
    "3ddfa": read_3ddfa,
    "3ddfa_v2": read_3ddfa_v2,
    "ict": read_ict,
}

__all__ = [
    "READERS",
    "Components",
    "SourceModel",
    "expression_units",
    "published_model",
    "read_landmark_list",
    "standard_model",
]
