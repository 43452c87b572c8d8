"""What the package raises when it is given something that it cannot work with."""


class InputError(ValueError):
    """An input is missing, damaged or of the wrong kind; the message says which and what to do."""


class PhotoError(InputError):
    """A file or an array is not a photo that can be read."""


class VideoError(InputError):
    """A video or a camera cannot be read, or not to its end."""


class BoxError(InputError):
    """A face box cannot be cropped from its photo."""


class LandmarksError(InputError):
    """Landmarks given with a photo are of the wrong shape or cannot belong to its boxes."""


class OutputError(InputError):
    """A result cannot be written where it was asked for."""


class FaceModelError(InputError):
    """A file is no face model, or its arrays do not fit together."""


class WeightsError(InputError):
    """A file holds no weights, or weights of another network or face model."""


class DatasetError(InputError):
    """A data set's files are missing, damaged or do not belong together."""


class ConfigError(InputError):
    """The settings of a run do not fit together."""


class ClusterError(InputError):
    """One of several processes that train together was lost."""


class DivergenceError(InputError):
    """A training run has left the numbers that can be computed with."""
