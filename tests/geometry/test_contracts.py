"""Contract tests of all functions of the geometry: jit, vmap, gradients, batches, shapes and dtypes.

The table `CASES` gives one example per function; a test checks that the table is complete.
"""

import dataclasses
import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from twodasl_jax import geometry
from twodasl_jax.geometry import (
    alignment,
    coefficients,
    decoder,
    fitting,
    frames,
    landmark_map,
    landmark_sets,
    mirroring,
    morphable_model,
    projection,
    rotation,
)

# Modules of NumPy functions on host arrays. They have no gradients and do not run under `jax.jit`.
HOST_MODULES = {"mesh"}


def space_of(random, points=7):
    return morphable_model.ShapeSpace(
        mean=random.normal(size=(points, 3)),
        shape_basis=random.normal(size=(points, 3, 4)) * 0.1,
        shape_std=random.uniform(0.5, 1, 4),
        expression_basis=random.normal(size=(points, 3, 2)) * 0.1,
        expression_std=random.uniform(0.5, 1, 2),
    )


def model_of(random):
    space = space_of(random)
    return morphable_model.MorphableModel(
        **{field.name: getattr(space, field.name) for field in dataclasses.fields(space)},
        triangles=np.array([[0, 1, 2], [2, 1, 3]], np.int32),
        landmark_vertices=random.integers(7, size=(5, 3)).astype(np.int32),
        landmark_weights=random.dirichlet(np.ones(3), 5),
        uv=random.uniform(size=(6, 2)),
        uv_triangles=np.array([[0, 1, 2], [3, 4, 5]], np.int32),
        mirror=np.array([0, 2, 1, 4, 3, 6, 5], np.int32),
    )


def rotation_of(random):
    orthogonal = np.linalg.qr(random.normal(size=(3, 3)))[0]
    return orthogonal * np.linalg.det(orthogonal)


def camera_of(random):
    return projection.WeakPerspective(
        random.uniform(1, 2, ()), rotation_of(random), random.normal(size=3)
    )


def similarity_of(random):
    camera = camera_of(random)
    return alignment.Similarity(camera.scale, camera.rotation, camera.translation)


def coefficients_of(random):
    affine = np.concatenate([rotation_of(random), random.normal(size=(3, 1))], axis=1)
    return coefficients.Coefficients(affine, random.normal(size=4), random.normal(size=2))


def whitening_of(random):
    return coefficients.Whitening(random.normal(size=9), random.uniform(1, 2, 9))


def coefficient_mirror_of(random):
    return mirroring.CoefficientMirror(random.normal(size=(4, 4)), random.normal(size=(2, 2)))


def box_of(random):
    return np.concatenate([random.uniform(-5, 5, 2), random.uniform(100, 200, 2)])


def array(*shape):
    return lambda random: random.normal(size=shape)


def crop_points(count):
    return lambda random: random.uniform(1, 7, (count, 2))


def weights(count):
    return lambda random: random.uniform(0.5, 1.5, count)


@dataclasses.dataclass(frozen=True)
class Case:
    """A public function with an example of its array arguments, in float64 and without a batch.

    Attributes:
      function: the public function.
      makers: one function per array argument, from a random generator to an example.
      static: the other arguments.
      batched: for each array argument, whether it may have leading batch axes.
      differentiable: whether the function has gradients.
      cut: the number of entries to remove from each axis of an argument to make its shape invalid.
    """

    function: Callable
    makers: tuple
    static: dict = dataclasses.field(default_factory=dict)
    batched: tuple = ()
    differentiable: bool = True
    cut: int = 1

    def call(self, *arguments):
        return self.function(*arguments, **self.static)

    def example(self, seed=0):
        random = np.random.default_rng(seed)
        return tuple(jax.tree.map(np.asarray, maker(random)) for maker in self.makers)


def case(function, *makers, batched=None, differentiable=True, cut=1, **static):
    return Case(function, makers, static, batched or (True,) * len(makers), differentiable, cut)


CASES = [
    case(rotation.rotation_from_euler, array(3)),
    case(rotation.euler_from_rotation, rotation_of),
    case(rotation.rotation_from_6d, array(2, 3)),
    case(rotation.rotation_from_vector, array(3)),
    case(rotation.nearest_rotation, array(3, 3)),
    case(projection.picture_from_model, camera_of, array(5, 3)),
    case(projection.picture_from_model_affine, array(3, 4), array(5, 3)),
    case(projection.model_from_picture, camera_of, array(5, 3)),
    case(projection.affine_from_camera, camera_of),
    case(projection.camera_from_affine, array(3, 4)),
    case(frames.image_from_crop, array(5, 2), box_of),
    case(frames.image_affine_from_crop, array(3, 4), box_of),
    case(frames.crop_affine_from_image, array(3, 4), box_of),
    case(frames.crop_from_image, array(5, 3), box_of, cut=2, crop_size=64),
    case(frames.box_from_landmarks, array(5, 2)),
    case(alignment.apply_similarity, similarity_of, array(5, 3)),
    case(alignment.similarity_between, array(5, 3), array(5, 3), weights(5)),
    case(alignment.rigid_between, array(5, 3), array(5, 3), weights(5)),
    case(coefficients.whiten, array(9), whitening_of, batched=(True, False)),
    case(coefficients.unwhiten, array(9), whitening_of, batched=(True, False)),
    case(coefficients.coefficients_from_official, array(18), shape_count=4, cut=3),
    case(coefficients.official_from_coefficients, coefficients_of),
    case(coefficients.coefficients_from_paper, array(18), shape_count=4, cut=3),
    case(coefficients.paper_from_coefficients, coefficients_of),
    case(coefficients.camera_from_pose7, array(7), image_height=450),
    case(coefficients.pose7_from_camera, camera_of, image_height=450),
    case(landmark_sets.pick_points, array(68, 2), chosen=landmark_sets.OFFICIAL),
    case(
        landmark_sets.pick_weights,
        lambda random: random.integers(2, size=68).astype(bool),
        chosen=landmark_sets.OFFICIAL,
        differentiable=False,
    ),
    case(
        landmark_map.draw_landmark_map,
        lambda random: random.uniform(10, 110, (68, 2)),
        style=landmark_map.MapStyle("official", "gaussian"),
    ),
    case(landmark_map.hard_landmark_map, crop_points(5), size=8, differentiable=False),
    case(landmark_map.gaussian_landmark_map, crop_points(5), size=8),
    case(decoder.decode, space_of, coefficients_of, batched=(False, True)),
    case(decoder.weak_perspective, coefficients_of),
    case(morphable_model.synthesize, space_of, array(4), array(2), batched=(False, True, True)),
    case(morphable_model.landmark_space, model_of, batched=(False,)),
    case(morphable_model.component_matrix, space_of, batched=(False,)),
    case(
        morphable_model.synthesize_with,
        array(7, 3),
        array(4),
        array(2),
        array(6, 21),
        batched=(False, True, True, False),
    ),
    case(
        morphable_model.barycentric,
        array(7, 3),
        lambda random: random.integers(7, size=(5, 3)).astype(np.int32),
        lambda random: random.dirichlet(np.ones(3), 5),
        batched=(True, False, False),
    ),
    case(
        morphable_model.point_space,
        space_of,
        lambda random: random.integers(7, size=(5, 3)).astype(np.int32),
        array(5, 3),
        batched=(False, False, False),
    ),
    case(
        morphable_model.join_spaces,
        space_of,
        lambda random: space_of(random, points=3),
        batched=(False, False),
    ),
    case(
        morphable_model.with_landmarks,
        model_of,
        lambda random: random.integers(7, size=(68, 3)).astype(np.int32),
        array(68, 3),
        batched=(False, False, False),
    ),
    case(
        morphable_model.truncate,
        model_of,
        batched=(False,),
        shape_count=3,
        expression_count=1,
    ),
    case(mirroring.coefficient_mirror, model_of, batched=(False,)),
    case(mirroring.mirror_landmarks, array(68, 2)),
    case(
        mirroring.mirror_coefficients,
        coefficients_of,
        coefficient_mirror_of,
        batched=(True, False),
    ),
    case(
        fitting.fit_landmarks,
        lambda random: space_of(random, points=12),
        array(12, 2),
        weights(12),
        lambda random: random.uniform(0.1, 0.2, ()),
        batched=(False,) * 4,
        iterations=3,
    ),
    case(
        fitting.refine_prediction,
        lambda random: space_of(random, points=12),
        coefficients_of,
        array(12, 2),
        weights(12),
        batched=(False,) * 4,
        noise=fitting.Noise(detected=0.2, predicted=0.3, outlier_scale=3.0),
        iterations=3,
    ),
]

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.function.__name__)


def pick_arguments(choose):
    """Parametrises over (case, argument index) for which `choose(case, argument, index)` is true."""
    pairs = [
        pytest.param(case, index, id=f"{case.function.__name__}-{index}")
        for case in CASES
        for index, argument in enumerate(case.example())
        if choose(case, argument, index)
    ]
    return pytest.mark.parametrize(("case", "index"), pairs)


def is_float(leaf):
    return np.issubdtype(leaf.dtype, np.floating)


def float_leaves(tree):
    return [leaf for leaf in jax.tree.leaves(tree) if is_float(leaf)]


def cast(tree, dtype):
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if is_float(leaf) else leaf, tree)


def stack(trees):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def assert_close(actual, expected, tolerance=2e-5):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def replaced(arguments, index, value):
    return (*arguments[:index], value, *arguments[index + 1 :])


def test_every_public_function_has_case():
    public = set()
    for module in pkgutil.iter_modules(geometry.__path__):
        if module.name in HOST_MODULES:
            continue
        name = f"{geometry.__name__}.{module.name}"
        functions = inspect.getmembers(importlib.import_module(name), inspect.isfunction)
        public |= {f.__name__ for key, f in functions if key[0] != "_" and f.__module__ == name}
    assert public == {case.function.__name__ for case in CASES}


@every_case
def test_jit_equals_call_on_numpy_arrays(case):
    jitted = jax.jit(case.call)(*case.example())
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # JAX warns if it cannot keep float64.
        assert_close(case.call(*case.example()), jitted)


@every_case
def test_vmap_and_batches_equal_loop(case):
    function = jax.jit(case.call)
    examples = [case.example(seed) for seed in range(3)]
    loop = stack([function(*example) for example in examples])
    assert_close(jax.jit(jax.vmap(case.call))(*stack(examples)), loop)
    if any(case.batched):
        shared = examples[0]
        mixed = [
            tuple(own if b else s for b, own, s in zip(case.batched, example, shared, strict=True))
            for example in examples
        ]
        loop = stack([function(*example) for example in mixed])
        stacked = tuple(
            own if b else s for b, own, s in zip(case.batched, stack(mixed), shared, strict=True)
        )
        assert_close(jax.jit(case.call)(*stacked), loop)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.differentiable],
    ids=lambda case: case.function.__name__,
)
@jax.enable_x64(True)
def test_gradient_equals_finite_differences(case):
    start, random = case.example(), np.random.default_rng(1)
    outputs = float_leaves(jax.eval_shape(case.call, *start))
    weights = [random.normal(size=leaf.shape) for leaf in outputs]
    direction = jax.tree.map(
        lambda leaf: random.normal(size=leaf.shape) if is_float(leaf) else np.zeros_like(leaf),
        start,
    )

    def along(step):
        """Returns a weighted sum of all outputs at `step` from the example in a random direction."""
        moved = jax.tree.map(
            lambda leaf, way: leaf + step * way if is_float(leaf) else leaf, start, direction
        )
        results = float_leaves(case.call(*moved))
        return sum(map(jnp.vdot, weights, results))

    @jax.jit
    def slopes(width):
        return jax.vjp(along, 0.0)[1](1.0)[0], (along(width) - along(-width)) / (2 * width)

    exact, difference = slopes(1e-5)
    assert difference != 0
    np.testing.assert_allclose(exact, difference, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if float_leaves(case.example())],
    ids=lambda case: case.function.__name__,
)
@pytest.mark.parametrize(("dtype", "x64"), [("float32", 0), ("float32", 1), ("float64", 1)])
def test_outputs_have_precision_of_inputs(case, dtype, x64):
    with jax.enable_x64(bool(x64)):
        outputs = jax.eval_shape(case.call, *cast(case.example(), dtype))
    assert {leaf.dtype for leaf in float_leaves(outputs)} == {np.dtype(dtype)}


@pick_arguments(lambda case, argument, index: isinstance(argument, np.ndarray))
def test_wrong_dtype_raises(case, index):
    arguments = case.example()
    wrong = np.float32 if arguments[index].dtype == np.int32 else np.int32
    with pytest.raises(jaxtyping.TypeCheckError, match=case.function.__name__):
        case.call(*replaced(arguments, index, arguments[index].astype(wrong)))


@pick_arguments(lambda case, argument, index: isinstance(argument, np.ndarray) and argument.ndim)
def test_wrong_shape_raises(case, index):
    arguments = case.example()
    shorter = arguments[index][(slice(-case.cut),) * arguments[index].ndim]
    with pytest.raises((jaxtyping.TypeCheckError, ValueError)):
        case.call(*replaced(arguments, index, shorter))


@pick_arguments(lambda case, argument, index: sum(case.batched) > 1 and case.batched[index])
def test_batch_of_single_argument_is_not_broadcast(case, index):
    arguments = case.example()
    batch = jax.tree.map(lambda leaf: np.stack([leaf] * 2), arguments[index])
    with pytest.raises(jaxtyping.TypeCheckError):
        case.call(*replaced(arguments, index, batch))


@every_case
def test_matrix_products_are_exact_on_every_device(case):
    program = jax.jit(case.call).lower(*cast(case.example(), "float32")).as_text()
    products = [line for line in program.splitlines() if "dot_general" in line]
    assert all("HIGHEST" in line for line in products), products


def test_fields_of_dataclasses_are_not_broadcast():
    random = np.random.default_rng(0)
    camera = projection.WeakPerspective(np.ones(3), np.tile(np.eye(3), (1, 1, 1)), np.ones((3, 3)))
    with pytest.raises(jaxtyping.TypeCheckError):
        projection.affine_from_camera(camera)
    one_point = dataclasses.replace(space_of(random), mean=np.ones((1, 3)))
    with pytest.raises(jaxtyping.TypeCheckError):
        morphable_model.synthesize(one_point, np.ones(4), np.ones(2))
