"""Tests of the start and end of programs: flags, signals, error messages and exit status."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from twodasl_jax.commands import entry_points
from twodasl_jax.errors import DivergenceError, PhotoError

ROOT = pathlib.Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
CONFIG = f"--config={ROOT / 'configs' / 'compact.py'}"


def raising(error):
    def program():
        raise error

    return program


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PhotoError("Cannot read a.jpg."), "Cannot read a.jpg."),
        (PhotoError("Cannot\n  read a  b.jpg."), "Cannot read a  b.jpg."),
        (DivergenceError("The loss is nan."), "The loss is nan."),
        (
            FileNotFoundError(2, "No such file or directory", "a.npz"),
            "a.npz: No such file or directory.",
        ),
        (OSError(28, "No space left on device"), "No space left on device."),
        (OSError("no config"), "no config."),
    ],
)
def test_failure_is_one_line(capsys, error, sentence):
    assert entry_points.exit_status(raising(error)) == entry_points.FAILURE
    assert capsys.readouterr() == ("", f"{sentence}\n")


def test_programming_error_propagates():
    with pytest.raises(ZeroDivisionError):
        entry_points.exit_status(raising(ZeroDivisionError()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_program_cleans_up(capsys, number):
    cleaned = []

    def program():
        try:
            signal.raise_signal(number)
        finally:
            cleaned.append(True)

    assert entry_points.exit_status(program) == 130
    assert cleaned
    assert capsys.readouterr().err == "Interrupted.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_only_requests_stop(number):
    before = signal.getsignal(number)
    with entry_points.stop_signal() as stop_requested:
        assert not stop_requested()
        signal.raise_signal(number)
        assert stop_requested()
    assert signal.getsignal(number) is before


def test_second_signal_interrupts():
    with entry_points.stop_signal():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_status_of_program_is_returned(capsys):
    assert [entry_points.exit_status(lambda s=status: s) for status in (None, 0, 3)] == [0, 0, 3]
    assert capsys.readouterr() == ("", "")


def test_unprintable_name_is_escaped(capfdbinary):
    entry_points.exit_status(lambda: print("bad\udcff.jpg"))
    assert capfdbinary.readouterr().out == b"bad\\udcff.jpg\n"


def run(name, *arguments):
    return subprocess.run(
        [sys.executable, EXPERIMENTS / f"{name}.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("train", [], "Flag --config must have a value"),
        ("train", ["--colour"], "Unknown command line flag 'colour'; see --help."),
        ("train", ["now", CONFIG, "--workdir={}/run"], "Unexpected arguments: now; see --help."),
        (
            "train",
            [CONFIG, "--workdir={}/run", "--config.step=1"],
            "Unknown config setting",
        ),
        (
            "train",
            ["--config={}/no.py", "--workdir={}/run"],
            "No such file or directory: '{}/no.py'.",
        ),
        (
            "train",
            [CONFIG, "--config.data_dir={}", "--workdir={}/run"],
            "contains no prepared data set",
        ),
        (
            "train",
            [CONFIG, "--workdir={}/run", "--num_processes=2"],
            "Several processes also need --coordinator_address and --process_id.",
        ),
        (
            "train",
            [
                CONFIG,
                "--workdir={}/run",
                "--coordinator_address=localhost:1",
                "--num_processes=2",
                "--process_id=2",
            ],
            "--process_id=2 of 2 processes: use 0 to 1.",
        ),
        ("train", [CONFIG, "--workdir={}/run", "--cluster"], "--cluster cannot join a cluster"),
        (
            "benchmark",
            ["--what=tpu", CONFIG, "--topology=v9:2x2"],
            "--topology=v9:2x2: known chips are v4, v5e, v5p, v6e",
        ),
        ("benchmark", ["--what=train_step", "--batch_size=3"], "so choose an even number"),
        (
            "benchmark",
            ["--what=scoring", "--steps=20"],
            "--steps does not apply to --what=scoring",
        ),
        ("benchmark", ["--what=feed"], "--data_dir is missing: --what=feed needs it"),
        ("train", [CONFIG], "--workdir is missing"),
        (
            "train",
            [CONFIG, "--workdir=gs://bucket/run"],
            "--workdir=gs://bucket/run is a URL: mount the bucket",
        ),
        (
            "train",
            [CONFIG, "--workdir={}/run", "--face_model={}/no.npz"],
            "{}/no.npz",
        ),
        ("prepare_data", ["--data_dir={}/data"], "--source_dir is missing"),
        (
            "prepare_data",
            ["--dataset=face300w_lp", "--source_dir={}", "--data_dir={}/data"],
            "{} contains no pictures: give the folder of the extracted 300W-LP",
        ),
        (
            "prepare_data",
            ["--dataset=aflw", "--source_dir={}", "--data_dir={}/data"],
            "Cannot read {}/aflw68/annotations.npz: No such file",
        ),
        (
            "face_model/place_landmarks",
            ["--mark_up=aflw", "--source_dir={}", "--output={}/rows.npz"],
            "Cannot read {}/aflw68/annotations.npz: No such file",
        ),
        (
            "face_model/place_landmarks",
            [
                *("--mark_up=300w_lp", "--basis={}/no.npz"),
                *("--data_dir={}", "--output={}/rows.npz"),
            ],
            "Cannot read {}/no.npz: No such file",
        ),
        (
            "export",
            ["--output_dir={}/out", "--formats=onnx,caffe"],
            "--formats=caffe: use stablehlo or onnx.",
        ),
        (
            "ablate",
            ["--study={}/no.py", "--workdir={}/runs", "--output_dir={}/report"],
            "--study={}/no.py is not a file",
        ),
        (
            "prepare_data",
            ["--dataset=synthetic_faces", "--source_dir={}", "--data_dir={}/data"],
            "{} contains no pictures of skins",
        ),
        (
            "prepare_data",
            ["--source_dir={}/no", "--data_dir={}/data"],
            "There is no folder or zip file {}/no.",
        ),
        ("evaluate", [], "--protocol is missing; see --help."),
        (
            "evaluate",
            ["--protocol=annotations", "--data_dir={}", "--output_dir={}/out"],
            "Give one of --pretrained, --workdir, --weights, --landmark_fit and --predictions, not none.",
        ),
        (
            "evaluate",
            ["--protocol=annotations", "--data_dir={}/no", "--output_dir={}/out", "--pretrained"],
            "Cannot read {}/no/annotations.npz: No such file",
        ),
        (
            "evaluate",
            [
                *("--protocol=annotations", "--data_dir={}", "--output_dir={}/out"),
                *("--predictions={}/p.npz", "--landmarks=given"),
            ],
            "--landmarks is for a network that is run here",
        ),
        (
            "evaluate",
            [
                *("--protocol=annotations", "--data_dir={}", "--output_dir={}/out"),
                *("--predictions={}/p.npz", "--face_model={}/m.npz"),
            ],
            "--face_model is for a network that is run here",
        ),
        ("evaluate", ["--compare={}/file"], "--compare needs two files"),
        ("evaluate", ["--compare={}/file,{}/file"], "{}/file: it is not a report.json"),
        (
            "decode_coefficients",
            ["--data_dir={}/no", "--basis={}/b.npz", "--output={}/o.npz"],
            "Cannot read {}/no/annotations.npz: No such file",
        ),
        (
            "decode_coefficients",
            ["--data_dir={}", "--basis={}/b.npz", "--weights={}/w.npz", "--output={}/o.npz"],
            "Give either --basis for published vectors or --weights for a network, not both.",
        ),
        (
            "make_weights",
            [
                *("--published={}/no.pth", "--whitening={}/w.npz"),
                *("--face_model={}/m.npz", "--output={}/o.npz"),
            ],
            "Cannot read {}/no.pth: No such file",
        ),
        (
            "render_test_set",
            ["--source=scans", "--data_dir={}", "--output_dir={}/views"],
            "holds no folders subject_01",
        ),
        (
            "render_test_set",
            ["--source=face_model", "--output_dir={}/set", "--face_model={}/file"],
            "{}/file cannot be read as a face model",
        ),
        ("make_weights", ["--workdir={}/no", "--output={}/w.npz"], "{}/no has no checkpoints"),
        (
            "face_model/measure",
            ["--what=landmarks", "--data_dir={}/no"],
            "Cannot read {}/no/annotations.npz: No such",
        ),
        (
            "face_model/measure",
            ["--what=expression_units", "--face_model={}/file"],
            "{}/file cannot be read as a face model",
        ),
        (
            "face_model/build",
            ["--wheel={}/file", "--output={}/m.npz"],
            "{}/file is missing or not a wheel",
        ),
        (
            "face_model/import_face_model",
            ["--format=bfm2009", "--source={}/no", "--output={}/m.npz"],
            "There is no folder {}/no.",
        ),
        (
            "face_model/import_face_model",
            ["--format=3ddfa", "--source={}", "--output={}/m.npz"],
            "{} lacks train.configs/param_whitening.pkl or param_whitening.pkl: docs/",
        ),
        (
            "face_model/import_face_model",
            ["--format=flame", "--source={}", "--output={}/m.npz"],
            "value should be one of <bfm2009|bfm2017|3ddfa|3ddfa_v2|ict>; see --help.",
        ),
        (
            "maintenance/vendor_viewer",
            ["--output_dir={}/file"],
            "Cannot write to {}/file: it is not a folder",
        ),
        (
            "maintenance/measure_smoothing",
            ["--heads=0"],
            "flag --heads=0: 0 is not a positive integer; see --help.",
        ),
        (
            "maintenance/run_notebooks",
            ["--notebooks=demo"],
            "--notebooks=demo: known notebooks are evaluate, reconstruct",
        ),
        (
            "maintenance/run_notebooks",
            ["--repository=a/b"],
            "--repository=a/b: expected OWNER/twodasl_jax.",
        ),
        ("demo", ["--output_dir={}/file"], "Cannot write to {}/file: it is not a folder"),
    ],
)
def test_invalid_arguments_give_one_line_and_no_files(tmp_path, name, arguments, sentence):
    (tmp_path / "file").touch()
    finished = run(name, *(argument.replace("{}", str(tmp_path)) for argument in arguments))
    assert finished.returncode == 2
    assert sentence.replace("{}", str(tmp_path)) in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
