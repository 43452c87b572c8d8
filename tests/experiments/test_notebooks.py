"""The notebooks for Colab: format, size, outputs and links, and their execution on this checkout."""

import base64
import json
import pathlib
import re

import imageio.v3 as imageio
import nbformat
import numpy as np
import pytest
import trimesh

from experiments.colab import notebooks

ROOT = pathlib.Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
NAMES = ("evaluate", "reconstruct", "train_quickstart")
MAX_BYTES = 150_000


def path_of(name):
    return EXPERIMENTS / "colab" / f"{name}.ipynb"


def read(name):
    return nbformat.read(path_of(name), as_version=4)


def tags(cell):
    return cell.metadata.get("tags", [])


def test_every_notebook_is_tested():
    assert notebooks.NAMES == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_notebook_is_valid_and_small(name):
    nbformat.validate(read(name))
    assert path_of(name).stat().st_size < MAX_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_notebook_contains_pictures_and_no_other_outputs(name):
    for cell in read(name).cells:
        if cell.cell_type != "code":
            continue
        assert cell.execution_count is None
        assert bool(cell.outputs) == ("keep-output" in tags(cell)), cell.source
        for output in cell.outputs:
            ((kind, data),) = output.data.items()
            assert kind in ("image/png", "image/jpeg")
            assert base64.b64decode(data)


@pytest.mark.parametrize("name", NAMES)
def test_notebook_starts_with_title_badge_and_common_installation(name):
    title, install, *_ = read(name).cells
    assert title.source.startswith("# ")
    assert f"/blob/main/experiments/colab/{name}.ipynb)" in title.source
    assert "colab-badge.svg" in title.source
    assert tags(install) == ["install"]
    assert install.source == read(NAMES[0]).cells[1].source
    assert sum("parameters" in tags(cell) for cell in read(name).cells) == 1


@pytest.mark.parametrize("name", NAMES)
def test_notebook_contains_no_absolute_paths(name):
    for cell in read(name).cells:
        assert not re.search(r"(?<![\w./:])/(home|Users|work|tmp|content|root)\b", cell.source)


def test_links_point_to_one_repository_and_existing_files():
    texts = [ROOT / "README.md", *map(path_of, NAMES)]
    links = [match for path in texts for match in notebooks.LINK.finditer(path.read_text("utf-8"))]
    assert len(links) > 20
    assert len({match.group(2) for match in links}) == 1
    for match in links:
        inside = re.match(r"/blob/main/([\w./-]+)", match.string[match.end() :])
        assert inside is None or (ROOT / inside.group(1)).exists(), inside.group(0)


def test_link_to_changes_only_links_to_this_project():
    text = "https://github.com/old/twodasl_jax/blob/a https://github.com/XgTu/2DASL"
    moved = "https://github.com/new-owner/twodasl_jax/blob/a https://github.com/XgTu/2DASL"
    assert notebooks.link_to("new-owner/twodasl_jax", text) == moved
    badge = "https://colab.research.google.com/github/old/twodasl_jax/blob/b"
    assert notebooks.link_to("a/twodasl_jax", badge) == badge.replace("old", "a")


def test_keeps_pictures_of_tagged_cells_and_removes_other_outputs():
    noise = np.random.default_rng(0).integers(0, 255, (1000, 1800, 3), np.uint8)
    png = base64.b64encode(imageio.imwrite("<bytes>", noise, extension=".png")).decode()
    picture = nbformat.v4.new_output("display_data", {"image/png": png, "text/plain": "picture"})
    words = nbformat.v4.new_output("stream", text="words")
    kept = nbformat.v4.new_code_cell("a", metadata={"tags": ["keep-output"]}, execution_count=3)
    kept.outputs = [words, picture]
    cleared = nbformat.v4.new_code_cell("b", outputs=[words, picture])
    notebook = nbformat.v4.new_notebook(cells=[kept, cleared])
    notebooks.keep_pictures(notebook)
    assert cleared.outputs == []
    assert kept.execution_count is None
    (output,) = kept.outputs
    # Noise is smaller as JPEG. Pictures are scaled down to the width of a page.
    decoded = imageio.imread(base64.b64decode(output.data["image/jpeg"]))
    assert decoded.shape == (400, 720, 3)
    nbformat.validate(notebook)


def check_reconstruction(folder):
    for suffix in ("obj", "ply", "glb"):
        mesh = trimesh.load(folder / f"faces_3d/grace_hopper_face0.{suffix}", force="mesh")
        assert len(mesh.faces) > 5000
    (photo,) = json.loads((folder / "faces_3d/faces.json").read_text())["photos"]
    assert abs(photo["faces"][0]["euler_angles"]["yaw"]) < 10
    assert (folder / "faces_3d/grace_hopper_overlay.png").exists()


def check_training(folder):
    lines = (folder / "quickstart/runs/quickstart/metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    errors = [record["without_landmarks"] for record in records if "without_landmarks" in record]
    assert errors[-1] < 0.9 * errors[0]
    rows = np.load(folder / "quickstart/errors.npz")
    assert set(rows) == {"L_3d alone", "+ L_2d_con", "+ L_3d_con", "+ L_cyc", "+ L_sc"}
    assert len({errors.tobytes() for errors in rows.values()}) == len(rows)
    # The mean face in the centre of the crop has an error above 30 %.
    assert all(errors.mean() < 27 for errors in rows.values())


def check_evaluation(folder):
    mine, default = (
        json.loads((folder / name / "report.json").read_text())
        for name in ("report", "report_of_default")
    )
    assert mine["about"]["failed"] == [mine["faces"]["names"][0]]
    assert default["about"]["failed"] == []
    for report in (mine, default):
        assert 1 < report["nme68_2d"]["original"]["overall"] < 6
    assert (folder / "report/report.html").exists()


CHECKS = {
    "reconstruct": check_reconstruction,
    "train_quickstart": check_training,
    "evaluate": check_evaluation,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs_from_top_to_bottom(name, tmp_path):
    notebooks.run(read(name), tmp_path)
    CHECKS[name](tmp_path)
