"""Live reconstruction of the faces in front of a camera."""

from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.outputs import Scene, pictures
from twodasl_jax.videos.cameras import open_camera
from twodasl_jax.videos.following import follow_faces
from twodasl_jax.videos.smoothing import Strength
from twodasl_jax.videos.windows import open_window


def watch_camera(reconstructor: Reconstructor, number: int, strength: Strength | None) -> None:
    """Shows the camera image with an overlay of all faces until the window is closed.

    Args:
      reconstructor: the face model and network.
      number: the number of the camera, from 0.
      strength: the strength of the smoothing; None disables it.

    Raises:
      VideoError: the camera cannot be opened or stops sending frames.
      OutputError: there is no display.
    """
    with open_camera(number) as frames, open_window(f"Camera {number}") as show:
        for frame, people in follow_faces(reconstructor, frames, strength):
            faces = tuple(person.face for person in people)
            if not show(pictures.draw_overlay(Scene(frame.image, faces, reconstructor.model))):
                break
