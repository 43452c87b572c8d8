"""The step on 1, 2 and 8 devices, mapped by shard_map and by pmap, equals the unmapped step."""

import dataclasses
import functools
import re

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from tests.helpers import small_runs
from twodasl_jax import losses
from twodasl_jax.data.face_crops import whitening_of
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.networks import BatchGroups
from twodasl_jax.training.devices import AXIS, MAPS, sharded
from twodasl_jax.training.face_space import build_space
from twodasl_jax.training.recipe import create_state
from twodasl_jax.training.settings import LossWeights
from twodasl_jax.training.step import train_step

pytestmark = pytest.mark.usefixtures("quick_compilation")

# Relative to the largest entry of an array: the order of float32 sums depends on the device count.
TOLERANCE = 2e-4
KEY = jax.random.key(3)


@dataclasses.dataclass(frozen=True)
class Case:
    """A variant of the step.

    Attributes:
      changes: the changes of `small_runs.recipe`.
      annotated: the number of annotated faces.
      wild: the number of in-the-wild faces.
      norm_groups: the number of BatchNorm groups.
    """

    changes: dict
    annotated: int = 8
    wild: int = 8
    norm_groups: int = 1

    def recipe(self, device_count, axis_name):
        local = max(1, self.norm_groups // device_count)
        groups = BatchGroups(local, axis_name if self.norm_groups == 1 else None)
        return small_runs.recipe(groups, axis_name, **self.changes)


CASES = {
    "every term": Case({}),
    "gaussian map, least squares, mismatched pairs, two critic updates": Case(
        {
            "landmark_map": MapStyle("all", "gaussian", 2.0),
            "critic": small_runs.critic_recipe(
                loss=losses.ADVERSARIAL_LOSSES["least_squares"], mismatched=True, updates=2
            ),
        }
    ),
    "inner points, hinge, squared norm": Case(
        {
            # In a hard map, rounding can move a landmark of the second pass to the next pixel.
            "landmark_map": MapStyle("inner", "gaussian", 2.0),
            "critic": small_runs.critic_recipe(loss=losses.ADVERSARIAL_LOSSES["hinge"]),
            "point_norm": losses.POINT_NORMS["squared"],
        }
    ),
    "only annotated faces, mismatched pairs": Case(
        {"critic": small_runs.critic_recipe(mismatched=True)}, wild=0
    ),
    "only in-the-wild faces": Case({}, annotated=0),
    "more faces of one kind": Case({}, annotated=16, wild=8),
    "one pass, no critic": Case(
        {"loss_weights": LossWeights(wpdc=1.0, l_2d_con=0.5), "critic": None}
    ),
    "eight BatchNorm groups": Case({}, annotated=16, wild=8, norm_groups=8),
    "only the vertex distance": Case({"loss_weights": LossWeights(vdc=1.0), "critic": None}),
}
FEW = [("every term", "shard_map", 8), ("every term", "pmap", 2)]
# In recent versions of JAX, pmap calls shard_map, so that one case suffices for it.
ALL = [
    *(("every term", kind, count) for kind in MAPS for count in (1, 2, 8)),
    *((name, "shard_map", count) for name in CASES if name != "every term" for count in (2, 8)),
]


@pytest.fixture(scope="module")
def single(face_model):
    """The unmapped second step of a case on one device: the state before it and its results."""

    @functools.cache
    def run(name):
        recipe = CASES[name].recipe(1, None)
        batch, space = prepare(face_model, name)
        step = jax.jit(functools.partial(train_step, recipe, space))
        before, _ = step(create_state(recipe, jax.random.key(0)), batch, KEY)
        return jax.device_get((before, step(before, batch, KEY)))

    return run


def prepare(face_model, name):
    case = CASES[name]
    batch = small_runs.batch(face_model, case.annotated, case.wild)
    vectors = small_runs.batch(face_model, 8, 0).annotated.vector
    return batch, build_space(face_model, whitening_of(vectors), 20)


def check(face_model, single, name, kind, count):
    recipe = CASES[name].recipe(count, AXIS)
    batch, space = prepare(face_model, name)
    devices = MAPS[kind](functools.partial(train_step, recipe, space), jax.devices()[:count])
    before, expected = single(name)
    result = devices.step(devices.replicate(before), devices.split(batch), KEY)
    jax.tree.map(assert_close, jax.device_get(result), expected)


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize(("name", "kind", "count"), FEW)
def test_many_devices_equal_one(face_model, single, name, kind, count):
    check(face_model, single, name, kind, count)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind", "count"), [row for row in ALL if row not in FEW])
def test_many_devices_equal_one_in_every_case(face_model, single, name, kind, count):
    check(face_model, single, name, kind, count)


def test_batch_norm_groups_need_no_messages(face_model):
    """Statistics of the whole batch need one message forward and one backward in each of the two passes."""
    batch, space = prepare(face_model, "every term")
    mesh = Mesh(np.array(jax.devices()), (AXIS,))

    def messages(norm_groups):
        recipe = dataclasses.replace(CASES["every term"], norm_groups=norm_groups).recipe(8, AXIS)
        state = jax.eval_shape(lambda: create_state(recipe, jax.random.key(0)))
        step = sharded(functools.partial(train_step, recipe, space), mesh)
        return len(re.findall(r"= psum\w*\[", str(jax.make_jaxpr(step)(state, batch, KEY))))

    assert messages(1) - messages(8) == 4


def test_step_donates_its_state(face_model):
    """Two copies of the state could exceed the memory of a device."""
    recipe = CASES["only the vertex distance"].recipe(2, AXIS)
    batch, space = prepare(face_model, "only the vertex distance")
    devices = MAPS["shard_map"](functools.partial(train_step, recipe, space), jax.devices()[:2])
    state = devices.replicate(create_state(recipe, jax.random.key(0)))
    devices.step(state, devices.split(batch), KEY)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.regressor.params))
