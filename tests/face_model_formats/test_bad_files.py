"""Errors for hostile, damaged and unsuitable files: one sentence names the file and the fault."""

import json
import os
import pickle
import re
import struct
import sys
import tracemalloc

import numpy as np
import pytest
import scipy.io

from tests.face_model_formats.test_formats import KINDS
from tests.helpers import face_model_files
from twodasl_jax.errors import FaceModelError
from twodasl_jax.face_model_formats import READERS, standard_model
from twodasl_jax.face_model_formats.ict import WEIGHT_STD

HUGE = 1 << 40


@pytest.fixture
def written(face_model, tmp_path):
    """Returns a function that writes the files of a kind, and returns their folder and a function that reads them."""

    def write(kind):
        format_name, write_files = KINDS[kind]
        source = write_files(tmp_path, face_model)
        return tmp_path, lambda: READERS[format_name](source)

    return write


def check(read, path, fault):
    """Checks that reading fails with one sentence that names the file, and that it needs little memory."""
    tracemalloc.start()
    with pytest.raises(FaceModelError, match=fault) as raised:
        read()
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    sentence = str(raised.value)
    assert path.name in sentence
    assert re.fullmatch(r"[^\n]+\.", sentence)


class Hostile:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


PICKLES = [
    ("3ddfa", "train.configs/param_whitening.pkl"),
    ("3ddfa_v2", "configs/bfm_noneck_v3.pkl"),
    ("3ddfa_v2", "configs/tri.pkl"),
    ("3ddfa_v2", "configs/param_mean_std_62d_120x120.pkl"),
]


@pytest.mark.parametrize(("kind", "name"), PICKLES)
@pytest.mark.parametrize("inside", [False, True])
def test_hostile_pickle_is_rejected_and_not_executed(written, tmp_path, kind, name, inside):
    folder, read = written(kind)
    command = Hostile(f"touch {tmp_path}/executed")
    content = {"param_std": command, "std": command, "w_shp": command} if inside else command
    face_model_files.write_pickle(folder / name, content)
    check(read, folder / name, rf"it uses '{os.name}\.system', which is not allowed")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *PICKLES,
        *(("3ddfa", f"train.configs/{name}.npy") for name in ("u_shp", "w_exp_sim")),
        ("3ddfa", "visualize/tri.mat"),
        *(("3ddfa's mats", f"Model_{name}.mat") for name in ("Shape", "Exp")),
        *(("deep3d", f"{name}.mat") for name in ("01_MorphableModel", "BFM_exp_idx")),
        ("deep3d", "Exp_Pca.bin"),
        ("bfm2017", "model2017-1_face12_nomouth.h5"),
        ("ict", "vertex_indices.json"),
    ],
)
@pytest.mark.parametrize("rest", ["nothing", "half", "junk"])
def test_damaged_file_is_named(written, kind, name, rest):
    folder, read = written(kind)
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(
        {"nothing": b"", "half": content[: len(content) // 2], "junk": b"solid face" * 40}[rest]
    )
    check(read, path, "Cannot (read|use)")


def huge_npy(path):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({HUGE}, 1), }}"
    header = header.ljust(117) + "\n"
    path.write_bytes(
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(64)
    )


def huge_mat(path):
    name = next(name for name in scipy.io.loadmat(path) if name[:2] != "__")
    scipy.io.savemat(path, {name: np.zeros((3, 4))})
    content = path.read_bytes()
    sizes = struct.pack("<ii", 3, 4)
    assert content.count(sizes) == 1
    path.write_bytes(content.replace(sizes, struct.pack("<ii", 1 << 30, 1 << 10)))


def huge_pickle(path):
    class Oversized:
        def __reduce__(self):
            state = 1, (HUGE,), np.dtype("f4"), False, bytes(8)
            return np.zeros(0).__reduce__()[0], (np.ndarray, (HUGE,), b"b"), state

    path.write_bytes(pickle.dumps({"param_std": Oversized()}))


def huge_bin(path):
    path.write_bytes(struct.pack("<i", (1 << 31) - 1) + path.read_bytes()[4:])


def huge_hdf5(path):
    import h5py

    with h5py.File(path, "r+") as file:
        del file["shape/model/pcaBasis"]
        # Chunks that are never written occupy no space in the file.
        file.create_dataset("shape/model/pcaBasis", (HUGE, 40), "f4", chunks=(1024, 40))


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("3ddfa", "train.configs/w_shp_sim.npy", huge_npy),
        ("3ddfa", "train.configs/param_whitening.pkl", huge_pickle),
        ("3ddfa", "visualize/tri.mat", huge_mat),
        ("deep3d", "Exp_Pca.bin", huge_bin),
        ("bfm2017", "model2017-1_face12_nomouth.h5", huge_hdf5),
    ],
)
def test_huge_array_is_rejected_without_allocation(written, kind, name, change):
    folder, read = written(kind)
    change(folder / name)
    check(read, folder / name, "Cannot read")


def change_npy(path, change):
    np.save(path, change(np.load(path)))


def change_mat(path, **changes):
    fields = {n: array for n, array in scipy.io.loadmat(path).items() if n[:2] != "__"}
    for name, change in changes.items():
        fields[name] = change(fields[name])
    scipy.io.savemat(path, {name: array for name, array in fields.items() if array is not None})


def change_pickle(path, **changes):
    entries = pickle.loads(path.read_bytes())
    for name, change in changes.items():
        entries[name] = change(entries[name])
    path.write_bytes(pickle.dumps({n: array for n, array in entries.items() if array is not None}))


def change_hdf5(path, name, change):
    import h5py

    with h5py.File(path, "r+") as file:
        values = change(file[name][()])
        del file[name]
        if values is not None:
            file[name] = values


def change_json(path, name, change):
    entries = json.loads(path.read_text())
    entries[name] = change(entries[name])
    path.write_text(json.dumps({n: entry for n, entry in entries.items() if entry is not None}))


def change_text(path, change):
    path.write_text(change(path.read_text()))


def remove(_):
    return None


def with_nan(array):
    array = np.array(array)
    array.flat[7] = np.nan
    return array


SHAPE, EXPRESSION = "Model_Shape.mat", "Model_Exp.mat"
BASEL, STATISMO = "01_MorphableModel.mat", "model2017-1_face12_nomouth.h5"
WHITENING, MESH = "train.configs/param_whitening.pkl", "configs/bfm_noneck_v3.pkl"


@pytest.mark.parametrize(
    ("kind", "name", "change", "fault"),
    [
        # Missing arrays; the message lists the present ones.
        (
            "3ddfa's mats",
            EXPRESSION,
            lambda p: change_mat(p, w_exp=remove),
            "no w_exp, but mu_exp, sigma_exp",
        ),
        (
            "deep3d",
            BASEL,
            lambda p: change_mat(p, shapeMU=remove),
            "no shapeMU, but shapePC, shapeEV",
        ),
        (
            "3ddfa",
            WHITENING,
            lambda p: change_pickle(p, param_std=remove),
            "no param_std, but param_mean",
        ),
        (
            "3ddfa_v2",
            MESH,
            lambda p: change_pickle(p, u=remove),
            "no u_shp, but w_shp, w_exp, keypoints",
        ),
        (
            "3ddfa_v2",
            MESH,
            lambda p: face_model_files.write_pickle(p, [1, 2]),
            "not a dictionary of w_shp, w_exp",
        ),
        (
            "bfm2017",
            STATISMO,
            lambda p: change_hdf5(p, "shape/model/mean", remove),
            "no shape/model/mean, but .*expression/model/mean",
        ),
        (
            "ict",
            "vertex_indices.json",
            lambda p: change_json(p, "expressions", remove),
            "no expressions, but incompatibilities, idx_to_landmark_verts",
        ),
        # Values that are not finite numbers.
        ("3ddfa", "train.configs/u_shp.npy", lambda p: change_npy(p, with_nan), "not finite"),
        (
            "3ddfa's mats",
            SHAPE,
            lambda p: change_mat(p, w=with_nan),
            "w: it has values .*not finite",
        ),
        (
            "3ddfa's mats",
            SHAPE,
            lambda p: change_mat(p, tri=lambda _: "no"),
            "not an array of numbers",
        ),
        ("3ddfa_v2", MESH, lambda p: change_pickle(p, w_exp=with_nan), "w_exp: it has values"),
        (
            "3ddfa_v2",
            MESH,
            lambda p: change_pickle(p, u=lambda _: "mean"),
            "not an array of numbers",
        ),
        (
            "bfm2017",
            STATISMO,
            lambda p: change_hdf5(p, "expression/model/pcaBasis", with_nan),
            "not finite",
        ),
        (
            "deep3d",
            "Exp_Pca.bin",
            lambda p: p.write_bytes(p.read_bytes()[:-4] + b"\xff" * 4),
            "finite",
        ),
        ("deep3d", "std_exp.txt", lambda p: p.write_text("1 2 nan " * 10), "not finite"),
        ("deep3d", "std_exp.txt", lambda p: p.write_text("one two"), "damaged"),
        (
            "ict",
            "identity003.obj",
            lambda p: change_text(p, lambda text: re.sub(r"v \S+", "v nan", text, count=1)),
            "lines v: it has values",
        ),
        (
            "ict",
            "unit2_L.obj",
            lambda p: change_text(p, lambda t: t.replace("v ", "v x", 1)),
            "damaged",
        ),
        # Unexpected sizes.
        (
            "3ddfa",
            "train.configs/u_exp.npy",
            lambda p: change_npy(p, lambda a: a[:-3]),
            "660 numbers",
        ),
        (
            "3ddfa",
            "train.configs/w_shp_sim.npy",
            lambda p: change_npy(p, lambda a: a[:-3]),
            r"shape \(660, 40\), expected \(663, any\): three rows for each of 221 vertices",
        ),
        (
            "3ddfa",
            "train.configs/w_exp_sim.npy",
            lambda p: change_npy(p, lambda a: a[:, :9]),
            "has 9 components, expected 10",
        ),
        (
            "3ddfa_v2",
            MESH,
            lambda p: change_pickle(p, u=lambda a: a[1:]),
            "size 662 is not a multiple of three",
        ),
        (
            "3ddfa",
            "train.configs/keypoints_sim.npy",
            lambda p: change_npy(p, lambda a: a[:201]),
            "has 67 numbers, expected 68",
        ),
        (
            "3ddfa",
            "train.configs/keypoints_sim.npy",
            lambda p: change_npy(p, lambda a: a[::-1]),
            "must have consecutive rows of x, y and z",
        ),
        (
            "3ddfa",
            "visualize/tri.mat",
            lambda p: change_mat(p, tri=lambda a: a - 1),
            "whole numbers from 1 to 221",
        ),
        (
            "3ddfa_v2",
            "configs/tri.pkl",
            lambda p: face_model_files.write_pickle(p, np.ones(9)),
            "three vertices",
        ),
        (
            "3ddfa's mats",
            SHAPE,
            lambda p: change_mat(p, sigma=lambda a: a[1:]),
            "39 numbers, expected 40",
        ),
        ("3ddfa's mats", SHAPE, lambda p: change_mat(p, sigma=lambda a: -a), "is negative"),
        (
            "3ddfa's mats",
            SHAPE,
            lambda p: change_mat(p, keypoints=lambda a: a + 0.5),
            "whole numbers",
        ),
        (
            "3ddfa's mats",
            EXPRESSION,
            lambda p: change_mat(p, mu_exp=lambda a: a[3:], w_exp=lambda a: a[3:]),
            "have 220 vertices, the mean face has 221",
        ),
        (
            "deep3d",
            "BFM_exp_idx.mat",
            lambda p: change_mat(p, trimIndex=lambda a: a[1:]),
            "lists 220 vertices, the expressions have 221",
        ),
        (
            "deep3d",
            "Exp_Pca.bin",
            lambda p: p.write_bytes(p.read_bytes()[:-4]),
            "10 components, and the remaining 29168 bytes are not a mean and that number",
        ),
        (
            "bfm2017",
            STATISMO,
            lambda p: change_hdf5(p, "expression/model/mean", lambda a: a[3:]),
            "mean face has 221 vertices, its mean expression 220",
        ),
        (
            "bfm2017",
            STATISMO,
            lambda p: change_hdf5(p, "metadata/landmarks/json", lambda _: b"[{}]"),
            "not a list of points with id and coordinates",
        ),
        (
            "ict",
            "identity003.obj",
            lambda p: change_text(p, lambda text: text.replace("v ", "# ", 1)),
            "has 222 vertices, generic_neutral_mesh.obj has 223",
        ),
        (
            "ict",
            "generic_neutral_mesh.obj",
            lambda p: change_text(p, lambda text: text.replace("M_Face", "M_Skin")),
            "no faces of the material M_Face",
        ),
        (
            "ict",
            "vertex_indices.json",
            lambda p: change_json(p, "idx_to_landmark_verts", lambda a: [0, *a[1:]]),
            "not all landmarks are vertices of M_Face",
        ),
        (
            "ict",
            "vertex_indices.json",
            lambda p: change_json(p, "expressions", lambda _: [1]),
            "not a list of names",
        ),
    ],
)
def test_fault_is_named(written, kind, name, change, fault):
    folder, read = written(kind)
    change(folder / name)
    check(read, folder / name, fault)


def test_missing_h5py_is_named(written, monkeypatch):
    folder, read = written("bfm2017")
    monkeypatch.setitem(sys.modules, "h5py", None)
    check(read, folder / STATISMO, "needs h5py: install it")


def test_model_in_another_unit_is_rejected(face_model, tmp_path):
    face_model_files.write_ict(tmp_path, face_model, WEIGHT_STD)
    for path in tmp_path.glob("*.obj"):
        text = path.read_text()
        path.write_text(re.sub(r"(?<=[v ] )(\S+)\.", r"\g<1>00.", text))
    source = READERS["ict"](tmp_path)
    with pytest.raises(FaceModelError, match=r"outer eye corners, vertices \d+ and \d+, are"):
        standard_model(source, source.landmarks)
