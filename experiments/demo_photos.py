"""Two photos in the public domain that come inside Python packages, so that nothing is downloaded."""

import importlib.resources
import pathlib


def demo_photos() -> list[pathlib.Path]:
    """Returns a NASA portrait of the astronaut Eileen Collins and the US Navy's of Grace Hopper."""
    return [
        _packaged_file("skimage", "data/astronaut.png"),
        _packaged_file("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    ]


def _packaged_file(package: str, name: str) -> pathlib.Path:
    return pathlib.Path(str(importlib.resources.files(package) / name))
