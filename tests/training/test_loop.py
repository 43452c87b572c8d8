"""Whole runs: exact resumption, metrics, and usable weights."""

import json
import signal

import filelock
import imageio.v3 as imageio
import jax
import numpy as np
import pytest

from tests.helpers import formula_faces
from twodasl_jax.errors import ConfigError, DatasetError, DivergenceError, OutputError, WeightsError
from twodasl_jax.geometry.morphable_model import truncate
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.models.weights import load_weights, save_weights
from twodasl_jax.training.checkpoints import trained_weights
from twodasl_jax.training.loop import train
from twodasl_jax.training.workdir import MetricWriter


@pytest.fixture(scope="module", autouse=True)
def two_devices():
    """Reduces the number of devices to two."""
    with pytest.MonkeyPatch.context() as patch:
        first = jax.devices()[:2]
        patch.setattr(jax, "devices", lambda: first)
        patch.setattr(jax, "device_count", lambda: 2)
        yield


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory, face_model):
    """The folder of an uninterrupted run."""
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    train(config, workdir, face_model)
    return workdir


def test_resumed_run_equals_uninterrupted_run_bit_for_bit(
    config, finished, tmp_path, face_model, monkeypatch
):
    class Interrupted(Exception):
        pass

    write = MetricWriter.write_scalars

    def interrupt(writer, step, values):
        if step == 5:
            raise Interrupted
        return write(writer, step, values)

    with monkeypatch.context() as patch:
        patch.setattr(MetricWriter, "write_scalars", interrupt)
        with pytest.raises(Interrupted):
            train(config, tmp_path / "resumed", face_model)
    train(config, tmp_path / "resumed", face_model)
    one, other = trained_weights(finished), trained_weights(tmp_path / "resumed")
    jax.tree.map(np.testing.assert_array_equal, one.variables, other.variables)
    steps = [json.loads(line)["step"] for line in (tmp_path / "resumed" / "metrics.jsonl").open()]
    assert steps == [1, 2, 3, 3, 4, 5, 6, 6]
    assert (tmp_path / "resumed" / "metrics.jsonl").read_text() == (
        finished / "metrics.jsonl"
    ).read_text()


def test_finished_run_does_not_change(config, finished, face_model):
    before = (finished / "metrics.jsonl").read_text()
    assert train(config, finished, face_model)
    assert (finished / "metrics.jsonl").read_text() == before


def test_log_contains_losses_and_validation_errors(finished):
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").open()]
    assert {line["step"] for line in lines} == set(range(1, 7))
    assert sum("without_landmarks" in line for line in lines) == 2
    assert all(np.isfinite(value) for line in lines for value in line.values())


def test_each_validation_draws_held_out_faces(finished):
    pictures = sorted((finished / "validation").iterdir())
    assert [path.name for path in pictures] == ["step_00000003.png", "step_00000006.png"]
    assert imageio.imread(pictures[0]).shape == (180, 540, 3)


@pytest.mark.slow
def test_run_resumes_bit_for_bit_after_sigterm(config, finished, tmp_path, face_model, monkeypatch):
    write = MetricWriter.write_scalars

    def terminate(writer, step, values):
        if step == 2:
            signal.raise_signal(signal.SIGTERM)
        return write(writer, step, values)

    with monkeypatch.context() as patch:
        patch.setattr(MetricWriter, "write_scalars", terminate)
        assert not train(config, tmp_path / "run", face_model)
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").open()]
    # The signal arrived after the decision about step 2.
    assert max(steps) == 3
    assert trained_weights(tmp_path / "run", 3)
    train(config, tmp_path / "run", face_model)
    one, other = trained_weights(finished), trained_weights(tmp_path / "run")
    jax.tree.map(np.testing.assert_array_equal, one.variables, other.variables)


@pytest.mark.slow
def test_diverged_run_names_its_step_and_keeps_its_checkpoint(config, tmp_path, face_model):
    unstable = config.copy_and_resolve_references()
    unstable.update({"learning_rate": 1e30, "warmup_steps": 1, "checkpoint_every": 1})
    with pytest.raises(DivergenceError, match=r"Not finite at step \d: .*face\d+\.png"):
        train(unstable, tmp_path / "run", face_model)
    weights = trained_weights(tmp_path / "run")
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(weights.variables))


def test_missing_checkpoint_is_named_with_existing_ones(finished):
    with pytest.raises(WeightsError, match=r"no checkpoint of step 5: choose one of .*4, 6"):
        trained_weights(finished, 5)


def test_trained_weights_reconstruct(finished, face_model, tmp_path):
    save_weights(tmp_path / "w.npz", trained_weights(finished))
    reconstructor = Reconstructor(face_model, load_weights(tmp_path / "w.npz"))
    photo = formula_faces.draw(formula_faces.random_faces(face_model, 1)[-1][0])
    (face,) = reconstructor(photo, boxes=np.array([[0, 0, 120, 120]]))
    assert face.vertices.shape == face_model.mean.shape
    assert np.isfinite(face.vertices).all()


def test_init_from_starts_with_averaged_weights_of_other_run(
    config, finished, tmp_path, face_model
):
    """A second stage with a learning rate of zero ends with the averaged weights of the first stage."""
    second = config.copy_and_resolve_references()
    second.update({"init_from": str(finished), "learning_rate": 0.0, "steps": 1})
    second.loss_weights.update({"vdc": 0.0, "pdc": 1.0, "l_2d_con": 0.0})
    train(second, tmp_path / "second", face_model)
    one, other = trained_weights(finished), trained_weights(tmp_path / "second")
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6),
        one.variables["params"],
        other.variables["params"],
    )
    np.testing.assert_array_equal(one.whitening.std, other.whitening.std)


def test_init_from_refuses_other_network(config, finished, tmp_path, face_model):
    other = config.copy_and_resolve_references()
    other.update({"init_from": str(finished), "architecture": "resnet50"})
    with pytest.raises(WeightsError, match="contains a compact network"):
        train(other, tmp_path / "run", face_model)
    assert not (tmp_path / "run").exists()


def test_data_for_other_face_model_is_refused(config, tmp_path, face_model):
    other = truncate(face_model, 39, 10)
    with pytest.raises(DatasetError, match="prepare it again"):
        train(config, tmp_path / "run", other)
    assert not (tmp_path / "run").exists()


def test_run_with_other_network_does_not_resume(config, finished, face_model):
    other = config.copy_and_resolve_references()
    other.architecture = "resnet50"
    before = (finished / "config.json").read_text()
    with pytest.raises(
        ConfigError, match=r"architecture='compact', not 'resnet50': use the former"
    ):
        train(other, finished, face_model)
    assert (finished / "config.json").read_text() == before


def test_locked_folder_is_refused(config, finished, face_model):
    with (
        filelock.FileLock(finished / ".lock"),
        pytest.raises(OutputError, match="in use by another run"),
    ):
        train(config, finished, face_model)
    train(config, finished, face_model)


def test_folder_without_checkpoints_has_no_weights(tmp_path):
    with pytest.raises(WeightsError, match="has no checkpoints"):
        trained_weights(tmp_path)
