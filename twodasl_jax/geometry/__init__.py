"""Geometry of 2DASL: face model, weak-perspective camera, head pose, frames and landmark map.

Functions map arrays to arrays and work under `jax.jit`, `jax.vmap` and `jax.grad`; only `mesh` runs
in NumPy on the host. No function depends on files, flags, data sets or networks. This page defines
the frames, units and signs that the whole package uses.

Frames
------

    frame    unit      x                 y      z                    origin
    model    mm        subject's left    up     out of the face      mean landmark of the mean face
    image    pixels    right             down   toward the camera    upper-left corner of the image
    crop     pixels    right             down   toward the camera    upper-left corner of the crop

model frame
    Right-handed. The subject's left is the right side of a frontal image. The origin is the mean of
    the 68 landmarks of the mean face. Triangles are counter-clockwise seen from outside. A model
    that is imported for published coefficients keeps the unit and the origin of its files, because
    the published poses refer to them (see `face_model_formats`).
image frame
    Left-handed, because y points down. The origin is the *corner* of the upper-left pixel, not its
    centre: pixel (row i, column j) covers [j, j + 1) x [i, i + 1), and its centre is
    (j + 0.5, i + 0.5). z is in pixels too and is absent in 2D.
crop frame
    The image frame of the 120x120 crop that the network receives. A box (x0, y0, x1, y1) gives the
    edges of a crop in the image frame; an integer box is the slice `image[y0:y1, x0:x1]`. Both
    frames start at a corner, so `frames` converts between them by a shift and a scale, without
    half-pixel terms.
picture frame
    Either the image frame or the crop frame: the frame that a camera projects to.

Camera
------
Weak perspective with scale f (pixels per mm), rotation R and translation t (see `projection`):

    x = f (R X)_x + t_x        y = -f (R X)_y + t_y        z = f (R X)_z + t_z

Head pose
---------
R = Rx(pitch) Ry(yaw) Rz(roll), with the Euler angles of 300W-LP and AFLW2000-3D (see `rotation`).
Angles are in radians in this package, and in degrees in `Face` and in the files that people read.

    positive yaw      the nose moves to the left of the image
    positive pitch    the nose moves up
    positive roll     the head turns clockwise in the image
"""
