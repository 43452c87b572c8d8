"""Published networks have the same outputs as weights of this package and in PyTorch."""

import dataclasses
import pickle

import jax
import numpy as np
import pytest

from tests.helpers import published_networks, torch_writer
from tests.weight_formats.test_model_change import other_description, projected
from twodasl_jax.errors import DatasetError, WeightsError
from twodasl_jax.geometry.coefficients import Whitening, unwhiten
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.geometry.morphable_model import landmark_space, truncate
from twodasl_jax.imaging.crops import sample_photo
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.models.face_model import digest
from twodasl_jax.models.weights import Weights
from twodasl_jax.networks import network_input
from twodasl_jax.networks.architectures import ARCHITECTURES
from twodasl_jax.protocols.annotations import read_annotated_photos
from twodasl_jax.weight_formats.published_weights import (
    for_face_model,
    network_of_state,
    read_published_weights,
    read_published_whitening,
)

SMALL = 8
WHITENING = {"param_mean": published_networks.numbers("mean", (62,))}
WHITENING["param_std"] = published_networks.numbers("std", (62,), 0.5, 1.5)


@pytest.fixture(scope="module")
def mobilenet():
    return published_networks.mobilenet_state(SMALL)


@pytest.fixture(scope="module")
def expected(golden):
    return golden("published_networks")


def outputs(architecture, variables):
    """Returns the outputs of a network for the synthetic images."""
    network = ARCHITECTURES[architecture]()
    inputs = network_input(published_networks.images(), published_networks.landmark_maps())
    return jax.jit(lambda v, x: network.apply(v, x, train=False))(variables, inputs)


def with_prefix(state):
    return {f"module.{name}": tensor for name, tensor in state.items()}


def test_2dasl_network_equals_pytorch(expected):
    architecture, variables = network_of_state(with_prefix(published_networks.resnet_state()))
    assert architecture == "resnet50"
    np.testing.assert_allclose(outputs(architecture, variables), expected["resnet"], atol=1e-4)


@pytest.mark.parametrize("stream", [False, True])
def test_3ddfa_network_equals_pytorch(tmp_path, mobilenet, expected, stream):
    state = with_prefix(mobilenet)
    for kind in ("weight", "bias"):
        # 3DDFA_V2 has another name for the head, and an auxiliary head.
        state[f"module.fc_param.{kind}"] = state.pop(f"module.fc.{kind}")
        state[f"module.fc_lm.{kind}"] = np.zeros(5, np.float32)
    path = tmp_path / "checkpoint.pth"
    torch_writer.write_state(path, state, stream=stream)
    np.savez(tmp_path / "whitening.npz", **WHITENING)
    weights = read_published_weights(path, tmp_path / "whitening.npz")
    assert weights.architecture == "mobilenet_v1_025"
    assert weights.landmark_map == MapStyle("official", "hard")
    np.testing.assert_array_equal(weights.whitening.std, WHITENING["param_std"])
    found = outputs(weights.architecture, weights.variables)
    np.testing.assert_allclose(found, expected["mobilenet"], atol=1e-4)


@pytest.mark.slow
def test_3ddfa_v2_checkpoint_equals_pytorch(shared_data, tmp_path):
    """Compares the outputs for 400 crops of AFLW2000-3D."""
    torch = pytest.importorskip("torch")
    from tests.helpers import torch_networks

    path = shared_data / "official" / "mb05_120x120.pth"
    np.savez(tmp_path / "whitening.npz", **WHITENING)
    weights = read_published_weights(path, tmp_path / "whitening.npz")
    assert weights.architecture == "mobilenet_v1_050"
    photos = read_annotated_photos(shared_data / "aflw2000_dev")
    pairs = zip(photos.photos, photos.boxes, strict=True)
    crops = np.stack([sample_photo(read_photo(photo), box) for photo, box in pairs])
    loaded = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    state = {name: tensor.numpy() for name, tensor in loaded.items() if "fc_lm" not in name}
    blue_first = (crops[..., ::-1].astype(np.float32) - 127.5) / 128
    expected = torch_networks.outputs(torch_networks.mobilenet(16), state, blue_first)
    network, no_map = weights.network(), np.full((50, 120, 120), -1, np.float32)
    forward = jax.jit(lambda x: network.apply(weights.variables, x, train=False))
    found = [forward(network_input(part, no_map)) for part in np.split(crops, 8)]
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-4)


@pytest.mark.parametrize("width", [8, 16, 24, 32, 64])
def test_each_width_has_an_architecture(width):
    architecture, variables = network_of_state(published_networks.mobilenet_state(width))
    assert architecture == f"mobilenet_v1_{100 * width // 32:03}"
    assert variables["params"]["head"]["kernel"].shape == (32 * width, 62)


def test_half_precision_is_converted_to_float32(mobilenet):
    halves = {name: tensor.astype(np.float16) for name, tensor in mobilenet.items()}
    _, variables = network_of_state(halves)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bn1.weight": None}, "it has no bn1.weight, which mobilenet_v1_025 needs"),
        ({"dw6.conv_dw.weight": None}, r"it has no dw6\.conv_dw\.weight"),
        ({"fc.bias": None}, r"it has no fc\.bias"),
        ({"dw2_1.relu.weight": np.ones(1)}, r"it has dw2_1\.relu\.weight, which .* does not have"),
        ({"fc.bias": np.zeros(61)}, r"fc\.bias has shape \(61,\), expected \(62,\)"),
        (
            {"dw3_1.conv_sep.weight": np.zeros((32, 32, 3, 3))},
            r"dw3_1\.conv_sep\.weight has shape \(32, 32, 3, 3\), expected \(32, 32, 1, 1\)",
        ),
        ({"conv1.weight": np.zeros((8, 4, 3, 3))}, r"conv1\.weight has shape \(8, 4, 3, 3\)"),
        ({"dw4_2.bn_sep.running_var": np.full(128, np.nan)}, r"dw4_2\.bn_sep\.running_var has"),
        ({"conv1.weight": None}, "it is neither 2DASL's ResNet-50 nor 3DDFA's MobileNetV1"),
        ({"layer1.0.conv1.weight": np.zeros(1)}, r"it has no layer1\.0\.bn1.*resnet50 needs"),
    ],
)
def test_difference_is_named(mobilenet, change, reason):
    state = {**mobilenet, **change}
    with pytest.raises(WeightsError, match=reason):
        network_of_state({name: tensor for name, tensor in state.items() if tensor is not None})


def test_unknown_width_is_named():
    with pytest.raises(WeightsError, match=r"its conv1\.weight has 20 filters, unlike any of"):
        network_of_state(published_networks.mobilenet_state(20))


def test_file_of_another_network_is_named(tmp_path):
    torch_writer.write_state(tmp_path / "a.pth", {"a": np.zeros(3, np.float32)}, stream=True)
    with pytest.raises(WeightsError, match=r"Cannot use .*a\.pth: it is neither"):
        read_published_weights(tmp_path / "a.pth", tmp_path / "whitening.npz")


def whitening_files(folder):
    mean, std = WHITENING.values()
    paths = [folder / name for name in ("v2.pkl", "v1.pkl", "arrays.npz")]
    paths[0].write_bytes(pickle.dumps({"mean": mean, "std": std}))
    paths[1].write_bytes(pickle.dumps({"param_mean": mean, "param_std": std}, protocol=2))
    np.savez(paths[2], **WHITENING, more=3)
    return paths


def test_every_whitening_format_is_read(tmp_path):
    for path in whitening_files(tmp_path):
        found = read_published_whitening(path)
        np.testing.assert_array_equal(found.mean, WHITENING["param_mean"])
        np.testing.assert_array_equal(found.std, WHITENING["param_std"])


class Hostile:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"mean": 3, "std": np.ones(62)}, "has neither arrays mean and std nor param_mean"),
        ([1, 2], "has neither arrays mean and std"),
        ({"mean": np.ones(61), "std": np.ones(61)}, r"\(61,\) .* expected \(62,\)"),
        ({"mean": np.full(62, np.nan), "std": np.ones(62)}, "must be finite"),
        ({"mean": np.ones(62), "std": np.zeros(62)}, "finite and positive"),
    ],
)
def test_unsuitable_whitening_is_named(tmp_path, content, reason):
    path = tmp_path / "whitening.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(WeightsError, match=r"Cannot use .*whitening\.pkl: .*" + reason):
        read_published_whitening(path)


def test_hostile_or_missing_whitening_is_named(tmp_path):
    path, marker = tmp_path / "whitening.pkl", tmp_path / "marker"
    with pytest.raises(WeightsError, match=r"Cannot read .*: No such file"):
        read_published_whitening(path)
    path.write_bytes(pickle.dumps({"mean": Hostile(marker), "std": 0}))
    with pytest.raises(WeightsError, match=r"Cannot use .*whitening\.pkl: it uses .*open"):
        read_published_whitening(path)
    assert not marker.exists()
    np.savez(tmp_path / "whitening.npz", param_mean=np.ones(62))
    with pytest.raises(DatasetError, match="has no array param_std"):
        read_published_whitening(tmp_path / "whitening.npz")


@pytest.fixture(scope="module")
def published():
    """A network of one layer, for the small face model in another unit."""
    head = {
        "kernel": published_networks.numbers("kernel", (7, 62)),
        "bias": published_networks.numbers("bias", (62,)),
    }
    pose = np.array([5e-4, 0, 0, 60, 0, 5e-4, 0, 60, 0, 0, 5e-4, -60])
    mean = np.concatenate([pose, WHITENING["param_mean"][12:]]).astype(np.float32)
    std = np.concatenate([np.abs(pose) + 1e-4, WHITENING["param_std"][12:]]).astype(np.float32)
    style = MapStyle("official", "hard")
    variables = {"params": {"head": head, "stem": np.ones(3)}, "batch_stats": {}}
    return Weights("resnet50", variables, Whitening(mean, std), "as published", style)


def vectors(weights):
    features = published_networks.numbers("features", (5, 7))
    head = weights.variables["params"]["head"]
    return unwhiten(features @ head["kernel"] + head["bias"], weights.whitening)


def test_converted_weights_predict_the_same_faces(published, face_model):
    published_model = other_description(face_model)
    weights = for_face_model(published, published_model, face_model)
    assert weights.face_model == digest(face_model)
    np.testing.assert_array_equal(weights.variables["params"]["stem"], 1)
    assert not np.allclose(vectors(weights)[:, :12], vectors(published)[:, :12], rtol=0.1)
    converted = projected(landmark_space(face_model), vectors(weights))
    original = projected(landmark_space(published_model), vectors(published))
    np.testing.assert_allclose(converted, original, atol=2e-3)


def test_weights_for_published_model_are_unchanged(published, face_model):
    model = other_description(face_model)
    weights = for_face_model(published, model, model)
    assert weights.face_model == digest(model)
    np.testing.assert_allclose(vectors(weights), vectors(published), rtol=1e-4, atol=1e-7)


def test_another_face_model_is_rejected(published, face_model):
    model = other_description(face_model)
    shifted = dataclasses.replace(model, mean=np.roll(model.mean, 1, axis=0))
    still = dataclasses.replace(model, shape_basis=np.zeros_like(model.shape_basis))
    for other in (shifted, still):
        with pytest.raises(WeightsError, match=r"not the published model in another unit: .* by"):
            for_face_model(published, model, other)
    with pytest.raises(WeightsError, match=r"predicts 40 shape and 10 expression .* 6 and 10 comp"):
        for_face_model(published, model, truncate(face_model, 6, 10))
    with pytest.raises(
        WeightsError, match=r"mean coefficients give a face of 0\.0\d+ by 0\.\d+ pix"
    ):
        for_face_model(published, face_model, face_model)
