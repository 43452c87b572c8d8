"""Writers of face models in each supported format, from any small `MorphableModel`.

The files have the names, shapes, types, units and origins of the published ones. If a format stores a mean expression,
it is subtracted from the mean face. Each writer fills a folder and returns the value of `--source` for it.
"""

import json
import pathlib
import pickle

import numpy as np
import scipy.io

MICROMETRES = 1000.0  # per millimetre
# The mean of the landmarks in Basel's frame, mm.
ORIGIN = np.array([-0.4, -11.8, 89.8])
MEAN_EXPRESSION = np.array([0.3, -0.5, 0.2])  # mm, of each vertex


def vertex_landmarks(model):
    """Returns the vertex nearest to each landmark, because the formats have no barycentric landmarks."""
    nearest = np.argmax(model.landmark_weights, axis=1)
    return np.take_along_axis(np.asarray(model.landmark_vertices), nearest[:, None], axis=1)[:, 0]


def coordinate_rows(vertices):
    """Returns the rows 3 v, 3 v + 1 and 3 v + 2 of each vertex v."""
    return (3 * vertices[:, None] + np.arange(3)).ravel()


def column(values):
    return np.asarray(values, np.float32).reshape(-1, 1)


def matrix(basis):
    """Returns a (3 V, K) matrix in MATLAB's memory order, which NumPy keeps when it writes the file."""
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
        "keypoints_sim": coordinate_rows(vertex_landmarks(model)),
    }
    return write_3ddfa_arrays(folder, arrays, vector_whitening(model), model.triangles)


def write_3ddfa_arrays(folder, arrays, whitening, triangles):
    """Writes train.configs/ and visualize/; reverses the counter-clockwise triangles, as in Basel's files."""
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
    """Writes the folder configs/ of 3DDFA_V2, with one mean face or with separate shape and expression means."""
    mean = micrometres(model.mean + ORIGIN)
    part = micrometres(np.broadcast_to(MEAN_EXPRESSION, mean.shape))
    means = (
        {"u": column(mean)} if whole_mean else {"u_shp": column(mean - part), "u_exp": column(part)}
    )
    face = means | {
        "w_shp": matrix(model.shape_basis),
        "w_exp": matrix(model.expression_basis),
        "keypoints": coordinate_rows(vertex_landmarks(model)),
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
    """Returns the fields of a 01_MorphableModel.mat with additional vertices, and the indices of the model's vertices.

    The additional vertices come first and last, and triangles connect them to the others.
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
    """Writes the folder BFM of Deep3DFaceReconstruction, including Basel's own file."""
    fields, kept = whole_basel(model)
    scipy.io.savemat(folder / "01_MorphableModel.mat", fields)
    write_guos_expressions(folder, model)
    scipy.io.savemat(folder / "BFM_exp_idx.mat", {"trimIndex": column(kept + 1)})
    # The front excludes the first two vertices.
    front = np.arange(2, len(model.mean))
    scipy.io.savemat(folder / "BFM_front_idx.mat", {"idx": column(front + 1)})
    keypoints = np.searchsorted(front, vertex_landmarks(model)) + 1
    scipy.io.savemat(folder / "facemodel_info.mat", {"keypoints": np.float64(keypoints)[None]})
    return folder


def write_basel_2017(path, model, points=None):
    """Writes a Statismo file; `points` are the vertices of named points, by name."""
    import h5py

    # The mean face is the sum of the means of both parts.
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
    """Returns the text of an OBJ file of ICT-FaceKit; `faces` are lists of corners, by material."""
    lines = ["# ICT FaceKit", "mtllib ICTFaceModelMaterial.mtl"]
    lines += ["v {:.8f} {:.8f} {:.8f}".format(*vertex) for vertex in vertices]
    lines += ["vt {:.6f} {:.6f}".format(*uv) for uv in model.uv]
    for material, rows in faces.items():
        lines.append(f"usemtl {material}")
        lines += ["f " + " ".join(f"{v + 1}/{t + 1}" for v, t in row) for row in rows]
    return "\n".join(lines) + "\n"


def write_ict(folder, model, weight_std):
    """Writes the folder FaceXModel in centimetres; two vertices of the back of the head precede the face."""
    extra = 2

    def mesh(displacement):
        return (
            np.pad(np.asarray(model.mean + ORIGIN + displacement, np.float64), [(extra, 0), (0, 0)])
            / 10
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
