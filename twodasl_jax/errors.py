"""Exceptions of the package."""


class InputError(ValueError):
    """An input is missing, damaged or of the wrong kind; the message names the input and the remedy."""


class PhotoError(InputError):
    """A file or an array is not a readable photo."""


class VideoError(InputError):
    """A video or a camera cannot be read, or the video is truncated."""


class BoxError(InputError):
    """A face box cannot be cropped from its photo."""


class LandmarksError(InputError):
    """Input landmarks have the wrong shape or do not match their boxes."""


class OutputError(InputError):
    """A result cannot be written to the requested path."""


class FaceModelError(InputError):
    """A file is not a face model, or its arrays are inconsistent."""


class WeightsError(InputError):
    """A file does not contain weights, or its weights belong to another network or face model."""


class DatasetError(InputError):
    """The files of a data set are missing, damaged or inconsistent."""


class ConfigError(InputError):
    """The settings of a run are invalid or inconsistent."""


class RunError(RuntimeError):
    """A training run fails although its inputs are valid; the message names cause and remedy."""


class ClusterError(RunError):
    """One of the processes that train together has ended or does not respond."""


class DivergenceError(RunError):
    """A metric of a training run is no longer finite."""
