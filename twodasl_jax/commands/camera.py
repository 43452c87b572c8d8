"""What a camera sees, in a window, with every face drawn over it."""

from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.outputs import Scene, pictures
from twodasl_jax.videos.cameras import open_camera
from twodasl_jax.videos.following import follow_faces
from twodasl_jax.videos.smoothing import Strength
from twodasl_jax.videos.windows import open_window


def watch_camera(reconstructor: Reconstructor, number: int, strength: Strength | None) -> None:
    """Shows the faces before a camera until the window is closed.

    Args:
      reconstructor: face model and network.
      number: of the camera, from 0.
      strength: how strongly faces are smoothed; None leaves them as they are.

    Raises:
      VideoError: the camera cannot be opened, or is lost.
      OutputError: there is no display.
    """
    with open_camera(number) as frames, open_window(f"Camera {number}") as show:
        for frame, people in follow_faces(reconstructor, frames, strength):
            faces = tuple(person.face for person in people)
            if not show(pictures.draw_overlay(Scene(frame.image, faces, reconstructor.model))):
                break
