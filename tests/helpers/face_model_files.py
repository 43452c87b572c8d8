"""Face models in the exact files of each format, made from any small `MorphableModel`: names, shapes, types, units.

Each writer fills a folder and returns what `--source` is for it. Where a format is in micrometres or centimetres, and
has its origin elsewhere, so have these files; a mean expression is split off where the format has one.
"""

import json
import pathlib
import pickle

import numpy as np
import scipy.io

MICROMETRES = 1000.0  # in a millimetre
# Where the landmarks' mean lies in Basel's frame, mm.
ORIGIN = np.array([-0.4, -11.8, 89.8])
MEAN_EXPRESSION = np.array([0.3, -0.5, 0.2])  # mm, of every vertex


def vertex_landmarks(model):
    """Returns the vertex that is nearest to each landmark: formats know no barycentric ones."""
    nearest = np.argmax(model.landmark_weights, axis=1)
    return np.take_along_axis(np.asarray(model.landmark_vertices), nearest[:, None], axis=1)[:, 0]


def rows_of(vertices):
    """Returns 3 v, 3 v + 1, 3 v + 2 for each vertex v."""
    return (3 * vertices[:, None] + np.arange(3)).ravel()


def column(values):
    return np.asarray(values, np.float32).reshape(-1, 1)


def matrix(basis):
    """Returns (3 V, K) in MATLAB's order, which is what NumPy then writes too."""
    return np.asfortranarray(np.asarray(basis, np.float32).reshape(-1, basis.shape[-1]))


def write_pickle(path, value, protocol=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol))


def vector_whitening(model):
    std = np.concatenate(
        [np.ones(12), micrometres(model.shape_std), micrometres(model.expression_std)]
    )
    return np.zeros(len(std), np.float32), std.astype(np.float32)


def micrometres(millimetres):
    return MICROMETRES * np.asarray(millimetres, np.float64)


def write_3ddfa(folder, model):
    """Writes a checkout of 3DDFA."""
    mean_expression = np.broadcast_to(MEAN_EXPRESSION, model.mean.shape)
    arrays = {
        "u_shp": column(micrometres(model.mean + ORIGIN - mean_expression)),
        "u_exp": column(micrometres(mean_expression)),
        "w_shp_sim": matrix(model.shape_basis),
        "w_exp_sim": matrix(model.expression_basis),
        "keypoints_sim": rows_of(vertex_landmarks(model)),
    }
    return write_3ddfa_arrays(folder, arrays, vector_whitening(model), model.triangles)


def write_3ddfa_arrays(folder, arrays, whitening, triangles):
    """Writes train.configs/ and visualize/; triangles are counter-clockwise, and clockwise in the file, as Basel's."""
    configs, visualize = folder / "train.configs", folder / "visualize"
    configs.mkdir()
    visualize.mkdir()
    for name, array in arrays.items():
        np.save(configs / f"{name}.npy", array)
    mean, std = whitening
    write_pickle(configs / "param_whitening.pkl", {"param_mean": mean, "param_std": std})
    scipy.io.savemat(
        visualize / "tri.mat", {"tri": np.float64(np.asarray(triangles)[:, ::-1].T + 1)}
    )
    return folder


def write_3ddfa_v2(folder, model, whole_mean=True):
    """Writes the folder configs/ of 3DDFA_V2, with one mean or with two."""
    mean = micrometres(model.mean + ORIGIN)
    part = micrometres(np.broadcast_to(MEAN_EXPRESSION, mean.shape))
    means = (
        {"u": column(mean)} if whole_mean else {"u_shp": column(mean - part), "u_exp": column(part)}
    )
    face = means | {
        "w_shp": matrix(model.shape_basis),
        "w_exp": matrix(model.expression_basis),
        "keypoints": rows_of(vertex_landmarks(model)),
    }
    write_pickle(folder / "configs" / "bfm_noneck_v3.pkl", face)
    write_pickle(folder / "configs" / "tri.pkl", np.ascontiguousarray(model.triangles.T))
    mean, std = vector_whitening(model)
    whitening = {"mean": mean, "std": std}
    write_pickle(folder / "configs" / "param_mean_std_62d_120x120.pkl", whitening, protocol=4)
    return folder


def write_3ddfa_mats(folder, model):
    """Writes Model_Shape.mat and Model_Exp.mat."""
    mean_expression = np.broadcast_to(MEAN_EXPRESSION, model.mean.shape)
    shape = {
        "mu_shape": column(micrometres(model.mean + ORIGIN - mean_expression)),
        "w": matrix(model.shape_basis),
        "sigma": column(micrometres(model.shape_std)),
        "tri": np.float64(model.triangles.T + 1),
        "keypoints": np.uint16(vertex_landmarks(model) + 1)[None],
        "segbin": np.zeros((4, len(model.mean))),
    }
    expression = {
        "mu_exp": column(micrometres(mean_expression)),
        "w_exp": matrix(model.expression_basis),
        "sigma_exp": column(micrometres(model.expression_std)),
    }
    scipy.io.savemat(folder / "Model_Shape.mat", shape, do_compression=True)
    scipy.io.savemat(folder / "Model_Exp.mat", expression, do_compression=True)
    return folder


def whole_basel(model, extra=5):
    """Returns the fields of a 01_MorphableModel.mat with more vertices, and which of them are the model's, from 0.

    The further ones come first and last, and a triangle joins them to the others.
    """
    count = len(model.mean)
    kept = np.arange(extra, extra + count)

    def padded(values):
        values = np.asarray(values, np.float64)
        return np.pad(values, [(extra, extra)] + [(0, 0)] * (values.ndim - 1))

    triangles = np.concatenate([kept[model.triangles], [[0, 1, extra], [extra, 3, count + extra]]])
    fields = {
        "shapeMU": column(padded(micrometres(model.mean + ORIGIN))),
        "shapePC": matrix(padded(model.shape_basis)),
        "shapeEV": column(micrometres(model.shape_std)),
        "texMU": column(padded(np.zeros_like(model.mean))),
        "tl": np.float64(triangles[:, ::-1] + 1),
    }
    return fields, kept


def write_guos_expressions(folder, model):
    """Writes Exp_Pca.bin and std_exp.txt."""
    count = len(model.expression_std)
    basis = np.asarray(model.expression_basis, "<f4").reshape(-1, count)
    mean = np.full(len(basis), 300.0, "<f4")
    content = np.array(count, "<i4").tobytes() + mean.tobytes() + basis.T.tobytes()
    (folder / "Exp_Pca.bin").write_bytes(content)
    text = " ".join(f"{std:.6e}" for std in micrometres(model.expression_std))
    (folder / "std_exp.txt").write_text(text + "\n")


def write_deep3d(folder, model):
    """Writes the folder BFM of Deep3DFaceReconstruction, with Basel's own file in it."""
    fields, kept = whole_basel(model)
    scipy.io.savemat(folder / "01_MorphableModel.mat", fields)
    write_guos_expressions(folder, model)
    scipy.io.savemat(folder / "BFM_exp_idx.mat", {"trimIndex": column(kept + 1)})
    # The front is every vertex from the third on.
    front = np.arange(2, len(model.mean))
    scipy.io.savemat(folder / "BFM_front_idx.mat", {"idx": column(front + 1)})
    keypoints = np.searchsorted(front, vertex_landmarks(model)) + 1
    scipy.io.savemat(folder / "facemodel_info.mat", {"keypoints": np.float64(keypoints)[None]})
    return folder


def write_basel_2017(path, model, points=None):
    """Writes a Statismo file; `points` are named ones, {name: vertex}."""
    import h5py

    # The mean face alone is the mean of both parts.
    part = np.broadcast_to(MEAN_EXPRESSION, model.mean.shape)
    mean = np.asarray(model.mean, np.float64) + ORIGIN
    parts = {
        "shape": (mean - part, model.shape_basis, model.shape_std),
        "expression": (part, model.expression_basis, model.expression_std),
    }
    with h5py.File(path, "w") as file:
        for name, (centre, basis, std) in parts.items():
            file[f"{name}/model/mean"] = np.float32(centre).ravel()
            file[f"{name}/model/pcaBasis"] = np.ascontiguousarray(matrix(basis))
            file[f"{name}/model/pcaVariance"] = np.float32(std) ** 2
            file[f"{name}/representer/cells"] = np.int32(model.triangles.T)
        if points is not None:
            landmarks = [
                {"id": name, "coordinates": (mean - part)[vertex].tolist()}
                for name, vertex in points.items()
            ]
            file["metadata/landmarks/json"] = np.bytes_(json.dumps(landmarks).encode())
    return path


def obj_text(vertices, model, faces):
    """Returns an OBJ of ICT-FaceKit: vertices, texture coordinates, and faces by material."""
    lines = ["# ICT FaceKit", "mtllib ICTFaceModelMaterial.mtl"]
    lines += ["v {:.8f} {:.8f} {:.8f}".format(*vertex) for vertex in vertices]
    lines += ["vt {:.6f} {:.6f}".format(*uv) for uv in model.uv]
    for material, rows in faces.items():
        lines.append(f"usemtl {material}")
        lines += ["f " + " ".join(f"{v + 1}/{t + 1}" for v, t in row) for row in rows]
    return "\n".join(lines) + "\n"


def write_ict(folder, model, weight_std):
    """Writes a FaceXModel: a back of the head of two more vertices before the face's, centimetres."""
    extra = 2

    def mesh(moved):
        return (
            np.pad(np.asarray(model.mean + ORIGIN + moved, np.float64), [(extra, 0), (0, 0)]) / 10
        )

    face = [
        [(v + extra, t) for v, t in zip(*corners, strict=True)]
        for corners in zip(model.triangles.tolist(), model.uv_triangles.tolist(), strict=True)
    ]
    faces = {"M_BackHead": [[(0, 0), (1, 1), (extra, 2)]], "M_Face": face, "M_Teeth": []}
    shape = np.asarray(model.shape_basis * model.shape_std)
    expression = np.asarray(model.expression_basis * model.expression_std / weight_std)
    meshes = {"generic_neutral_mesh": mesh(0)}
    meshes |= {f"identity{i:03}": mesh(shape[..., i]) for i in range(shape.shape[-1])}
    names = [f"unit{i}_L" for i in range(expression.shape[-1])]
    meshes |= {name: mesh(expression[..., i]) for i, name in enumerate(names)}
    for name, vertices in meshes.items():
        (folder / f"{name}.obj").write_text(obj_text(vertices, model, faces))
    indices = {
        "expressions": names,
        "incompatibilities": [],
        "idx_to_landmark_verts": (vertex_landmarks(model) + extra).tolist(),
    }
    (folder / "vertex_indices.json").write_text(json.dumps(indices))
    return folder


def write_landmark_list(path: pathlib.Path, entries):
    path.write_text("# iBUG's order\n" + "\n".join(map(str, entries)) + "\n")
    return path
