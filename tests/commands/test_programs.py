"""How programs end: with one sentence and status 2 where their flags or files are wrong."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from twodasl_jax.commands import entry_points
from twodasl_jax.errors import PhotoError

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
        (
            FileNotFoundError(2, "No such file or directory", "a.npz"),
            "a.npz: No such file or directory.",
        ),
        (OSError(28, "No space left on device"), "No space left on device."),
        (OSError("no config"), "no config."),
    ],
)
def test_a_failure_is_one_sentence(capsys, error, sentence):
    assert entry_points.exit_status(raising(error)) == entry_points.FAILURE
    assert capsys.readouterr() == ("", f"{sentence}\n")


def test_a_mistake_of_the_program_itself_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        entry_points.exit_status(raising(ZeroDivisionError()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_program_cleans_up(capsys, number):
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
def test_a_program_that_is_asked_to_stop_goes_on_until_it_looks(number):
    before = signal.getsignal(number)
    with entry_points.stop_signal() as asked:
        assert not asked()
        signal.raise_signal(number)
        assert asked()
    assert signal.getsignal(number) is before


def test_a_program_that_is_asked_twice_is_interrupted():
    with entry_points.stop_signal():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_status_of_a_program_is_kept(capsys):
    assert [entry_points.exit_status(lambda s=status: s) for status in (None, 0, 3)] == [0, 0, 3]
    assert capsys.readouterr() == ("", "")


def test_a_name_that_the_console_cannot_show_is_written_with_escapes(capfdbinary):
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
            "The config has no such setting",
        ),
        (
            "train",
            ["--config={}/no.py", "--workdir={}/run"],
            "No such file or directory: '{}/no.py'.",
        ),
        (
            "train",
            [CONFIG, "--config.data_dir={}", "--workdir={}/run"],
            "holds no prepared data set",
        ),
        (
            "train",
            [CONFIG, "--workdir={}/run", "--num_processes=2"],
            "Several processes need --coordinator_address and --process_id as well.",
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
            "compile_for_tpu",
            [CONFIG, "--topology=v9:2x2"],
            "--topology=v9:2x2: known chips are v4, v5e, v5p, v6e",
        ),
        ("benchmark", ["--what=train_step", "--batch_size=3"], "so choose an even number"),
        ("train", [CONFIG], "--workdir is missing"),
        (
            "train",
            [CONFIG, "--workdir=gs://bucket/run"],
            "--workdir=gs://bucket/run is no folder: mount the bucket",
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
            "{} holds no pictures: give the folder of the extracted 300W-LP",
        ),
        (
            "prepare_data",
            ["--dataset=aflw", "--source_dir={}", "--data_dir={}/data"],
            "Cannot read {}/aflw68/annotations.npz: No such file",
        ),
        (
            "place_landmarks",
            ["--source_dir={}", "--output={}/rows.npz"],
            "Cannot read {}/aflw68/annotations.npz: No such file",
        ),
        (
            "transfer_landmarks",
            ["--basis={}/no.npz", "--data_dir={}", "--output={}/rows.npz"],
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
            "--study={}/no.py: there is no such file",
        ),
        (
            "prepare_data",
            ["--dataset=synthetic_faces", "--source_dir={}", "--data_dir={}/data"],
            "{} holds no pictures of skins",
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
        ("evaluate", ["--compare={}/file,{}/file"], "{}/file: it is no report.json"),
        (
            "decode_coefficients",
            ["--data_dir={}/no", "--basis={}/b.npz", "--output={}/o.npz"],
            "Cannot read {}/no/annotations.npz: No such file",
        ),
        (
            "decode_coefficients",
            ["--data_dir={}", "--basis={}/b.npz", "--weights={}/w.npz", "--output={}/o.npz"],
            "Give --basis for published vectors, or --weights for a network, and not both.",
        ),
        (
            "import_weights",
            [
                *("--checkpoint={}/no.pth", "--whitening={}/w.npz"),
                *("--face_model={}/m.npz", "--output={}/o.npz"),
            ],
            "Cannot read {}/no.pth: No such file",
        ),
        ("render_scans", ["--data_dir={}", "--output_dir={}/views"], "holds no folders subject_01"),
        (
            "render_faces",
            ["--output_dir={}/set", "--model={}/file"],
            "{}/file cannot be read as a face model",
        ),
        ("export_weights", ["--workdir={}/no", "--output={}/w.npz"], "{}/no holds no checkpoints"),
        ("measure_face_model", ["--data_dir={}/no"], "Cannot read {}/no/annotations.npz: No such"),
        (
            "measure_expression_units",
            ["--face_model={}/file"],
            "{}/file cannot be read as a face model",
        ),
        ("build_face_model", ["--wheel={}/file", "--output={}/m.npz"], "{}/file is missing, or no"),
        (
            "import_face_model",
            ["--format=bfm2009", "--source={}/no", "--output={}/m.npz"],
            "There is no folder {}/no.",
        ),
        (
            "import_face_model",
            ["--format=3ddfa", "--source={}", "--output={}/m.npz"],
            "{} lacks train.configs/param_whitening.pkl or param_whitening.pkl: docs/",
        ),
        (
            "import_face_model",
            ["--format=flame", "--source={}", "--output={}/m.npz"],
            "value should be one of <bfm2009|bfm2017|3ddfa|3ddfa_v2|ict>; see --help.",
        ),
        ("vendor_viewer", ["--output_dir={}/file"], "Cannot write to {}/file: it is not a folder"),
        (
            "measure_smoothing",
            ["--heads=0"],
            "flag --heads=0: 0 is not a positive integer; see --help.",
        ),
        (
            "run_notebooks",
            ["--notebooks=demo"],
            "--notebooks=demo: there are evaluate, reconstruct",
        ),
        ("run_notebooks", ["--repository=a/b"], "--repository=a/b is no OWNER/twodasl_jax."),
        ("demo", ["--output_dir={}/file"], "Cannot write to {}/file: it is not a folder"),
    ],
)
def test_programs_name_what_is_wrong_and_leave_nothing(tmp_path, name, arguments, sentence):
    (tmp_path / "file").touch()
    finished = run(name, *(argument.replace("{}", str(tmp_path)) for argument in arguments))
    assert finished.returncode == 2
    assert sentence.replace("{}", str(tmp_path)) in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
