"""Face models as others publish them, and what makes `MorphableModel`s of them.

    fields.py           arrays of single files, read without executing anything and checked
    source_model.py     a face model in the unit, frame and counting of its files
    basel_2009.py       Basel's model of 2009 with an expression basis: `bfm2009`
    basel_2017.py       Basel's models of 2017 and 2019: `bfm2017`
    tddfa.py            what comes with 3DDFA and 2DASL, and with 3DDFA_V2: `3ddfa`, `3ddfa_v2`
    ict.py              ICT-FaceKit: `ict`
    landmark_list.py    which vertices the 68 landmarks are, where a format does not say so
    normalization.py    from there into the model frame, with all that a `MorphableModel` has
    mirror.py           the vertex on the other side of a face that is not exactly symmetric

None of these models comes with the package. docs/face_models.md says where they come from.
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
