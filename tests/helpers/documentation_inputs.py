"""Synthetic inputs for documented commands and examples: files in published formats, and arrays.

All faces come from the small face model, so that programs run quickly.
"""

import functools
import importlib.resources
import pathlib
import shutil
from fractions import Fraction

import jax
import numpy as np
from PIL import Image

from tests.helpers import (
    face_model_files,
    formula_faces,
    lp_files,
    published_networks,
    small_runs,
    torch_writer,
)
from tests.helpers.protocol_files import Faces, write_aflw2000, write_annotations
from tests.weight_formats.test_model_change import other_description
from twodasl_jax.data.face_crops import whitening_of
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.models.face_model import save_face_model
from twodasl_jax.training.face_space import build_space
from twodasl_jax.training.recipe import create_state
from twodasl_jax.training.step import train_step
from twodasl_jax.videos.files import VideoFrame, writing_video

ROOT = pathlib.Path(__file__).parents[2]
# The standard deviation of ICT-FaceKit's blendshape weights.
_WEIGHT_STD = 0.3


def write_files(folder, model):
    """Writes the input files of all documented commands to a folder."""
    _write_checkout(folder)
    _write_photos(folder)
    _write_face_models(folder, model)
    _write_published_network(folder)
    _write_training_faces(folder, model)
    _write_test_sets(folder, model)


def names_of(page, model):
    """Returns the variables that the examples of a page use without defining them."""
    return _NAMES[page](model) if page in _NAMES else {}


def _of_readme(model):
    batch, recipe, rng = small_runs.batch(model), small_runs.recipe(), jax.random.key(0)
    corner = np.array([141, 125], "f")
    return {
        "boxes": np.concatenate([corner, corner + 252])[None],
        "landmarks": np.asarray(landmark_space(model).mean)[None, :, :2] + corner + 126,
        "train_step": lambda recipe, space, *rest: jax.jit(
            functools.partial(train_step, recipe, space)
        )(*rest),
        **{"recipe": recipe, "batch": batch, "rng": rng},
        "space": build_space(model, whitening_of(batch.annotated.vector), "landmarks"),
        "state": create_state(recipe, rng),
    }


def _of_data_preparation(model):
    """Returns the fields of a `.mat` file of 300W-LP and the statistics of its face model."""
    random = np.random.default_rng(0)
    (fields,), _, _ = lp_files.random_fields(model, 1)
    return {
        "pose": fields["Pose_Para"][0].astype("f"),
        "pt2d": fields["pt2d"].astype("f"),
        "shape_para": fields["Shape_Para"][:, 0].astype("f"),
        "exp_para": fields["Exp_Para"][:, 0].astype("f"),
        "shape_std": np.asarray(model.shape_std) * face_model_files.MICROMETRES,
        "expression_std": np.asarray(model.expression_std) * face_model_files.MICROMETRES,
        "vectors": random.normal(size=(20, 62)).astype("f"),
    }


def _of_evaluation(model):
    sets = Faces(model)
    vertices = np.zeros((len(sets.names), 3482, 3), "f")
    return {
        **{"names": sets.names, "landmarks": sets.points, "pose": sets.pose},
        "vertices": vertices,
    }


_NAMES = {
    "README.md": _of_readme,
    "docs/data_preparation.md": _of_data_preparation,
    "docs/evaluation.md": _of_evaluation,
    "docs/face_models.md": lambda _: {"vectors": np.zeros((3, 62), "f")},
    "docs/export.md": lambda _: {"crops": np.zeros((2, 120, 120, 3), np.uint8)},
}


def _write_checkout(folder):
    """Links the files of the checkout. A command that writes such a file replaces the link only."""
    for name in ("experiments", "configs"):
        (folder / name).symlink_to(ROOT / name)
    assets = folder / "twodasl_jax" / "assets"
    assets.mkdir(parents=True)
    for path in (ROOT / "twodasl_jax" / "assets").iterdir():
        (assets / path.name).symlink_to(path)


def _write_photos(folder):
    photo = importlib.resources.files("matplotlib") / "mpl-data/sample_data/grace_hopper.jpg"
    (folder / "PHOTO_OR_FOLDER").mkdir()
    for name in ("portrait.jpg", "photo.jpg", "laughing.jpg", "PHOTO_OR_FOLDER/photo.jpg"):
        shutil.copy(str(photo), folder / name)
    image = read_photo(folder / "photo.jpg")
    with writing_video(folder / "clip.mp4", Fraction(25)) as write_frame:
        for number in range(5):
            write_frame(VideoFrame(number, number / 25, np.roll(image, 2 * number, axis=1)))


def _write_face_models(folder, model):
    for name in ("BFM", "3DDFA", "3DDFA_V2", "ICT-FaceKit/FaceXModel"):
        (folder / name).mkdir(parents=True)
    face_model_files.write_deep3d(folder / "BFM", model)
    face_model_files.write_basel_2017(folder / "model2017-1_face12_nomouth.h5", model)
    face_model_files.write_landmark_list(
        folder / "vertices.txt", face_model_files.vertex_landmarks(model).tolist()
    )
    face_model_files.write_3ddfa(folder / "3DDFA", model)
    face_model_files.write_3ddfa_v2(folder / "3DDFA_V2", model)
    face_model_files.write_ict(folder / "ICT-FaceKit" / "FaceXModel", model, _WEIGHT_STD)
    save_face_model(folder / "model.npz", model)


def _write_published_network(folder):
    """Writes a smaller checkpoint of 3DDFA_V2, and a whitening for faces that fill the crop."""
    state = published_networks.mobilenet_state(8)
    torch_writer.write_state(folder / "mb05_120x120.pth", state, stream=False)
    pose = np.array([4e-4, 0, 0, 60, 0, 4e-4, 0, 60, 0, 0, 4e-4, -60])
    whitening = {
        "mean": np.concatenate([pose, np.zeros(50)]).astype("f"),
        "std": np.concatenate([np.where(pose > 1, 5, 5e-5), np.full(50, 0.3)]).astype("f"),
    }
    face_model_files.write_pickle(folder / "param_mean_std_62d_120x120.pkl", whitening, protocol=4)


def _write_training_faces(folder, model):
    (folder / "FACES").mkdir()
    formula_faces.write_folder(folder / "FACES", formula_faces.random_faces(model)[3])
    fields, _, _ = lp_files.random_fields(model, 60)
    for number, face_fields in enumerate(fields):
        lp_files.write_pair(folder / "300W_LP", f"AFW/AFW_{number}_1_0", face_fields)
    (folder / "SKINS").mkdir()
    Image.effect_noise((64, 64), 40).convert("RGB").save(folder / "SKINS" / "skin.png")


def _write_test_sets(folder, model):
    sets, space = Faces(model), landmark_space(model)
    reannotated = sets.points[..., :2].swapaxes(1, 2).astype("f")
    np.save(folder / "AFLW2000-3D-Reannotated.pts68.npy", reannotated)
    np.savez(folder / "mine.npz", names=sets.names, landmarks=sets.points)
    write_aflw2000(folder / "AFLW2000-3D", sets)
    save_face_model(folder / "published.npz", other_description(model))
    (folder / "FOLDER").mkdir()
    random = np.random.default_rng(0)
    write_annotations(
        folder / "FOLDER",
        sets,
        fan68_crop=random.uniform(20, 100, (len(sets.names), 68, 2)).astype("f"),
        official_2dasl_params=random.normal(size=(len(sets.names), 62)).astype("f"),
    )
    np.savez(
        folder / "bfm68.npz",
        mean=np.asarray(space.mean).ravel(),
        shape_basis=np.asarray(space.shape_basis).reshape(204, -1),
        expression_basis=np.asarray(space.expression_basis).reshape(204, -1),
        param_mean=np.concatenate([[0.4, 0, 0, 60, 0, 0.4, 0, 60, 0, 0, 0.4, 0], np.zeros(50)]),
        param_std=np.full(62, 0.01),
    )
