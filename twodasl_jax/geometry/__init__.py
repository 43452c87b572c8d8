"""Pure geometry of 2DASL: 3D morphable model, weak perspective, pose, frames, landmark map.

Every function maps arrays to arrays and works under `jax.jit`, `jax.vmap` and `jax.grad`; nothing
here knows about files, flags, data sets or networks. This page is the one place where frames and
units are defined.

Frames
------
model frame
    Millimetres, right-handed: x to the subject's left (right in a frontal picture), y up, z out of
    the face. The origin is the mean of the 68 landmarks of the mean face. Triangles are
    counter-clockwise from outside. (A model imported for published coefficients keeps its files'
    unit and origin, to which the published poses belong; see `face_model_formats`.)
image frame
    Pixels, from the upper-left *corner* of the picture: pixel (row i, column j) covers [j, j + 1) x
    [i, i + 1) and its centre is (j + 0.5, i + 0.5). x right, y down. z, where present, is in pixels
    too and grows toward the camera, so the frame is left-handed.
crop frame
    The same rules for the 120x120 picture that the network sees. A box (x0, y0, x1, y1) holds edges
    in the image frame; an integer box is the slice `image[y0:y1, x0:x1]`. Both frames start at a
    corner, so crop <-> image is a shift and a scale without half-pixel terms (`frames`).

"Picture frame" below means either of the last two: the one that the camera was made for.

Camera
------
Weak perspective with scale f (pixels per millimetre), rotation R and translation t (`projection`):

    x = f (R X)_x + t_x,    y = -f (R X)_y + t_y,    z = f (R X)_z + t_z

Angles
------
R = Rx(pitch) Ry(yaw) Rz(roll), the Euler angles of 300W-LP and AFLW2000-3D (`rotation`). Positive
yaw turns the nose to the left of the picture, positive pitch raises it, positive roll turns the
head clockwise on screen. Radians inside this package, degrees in `Face` and in files for people.
"""
