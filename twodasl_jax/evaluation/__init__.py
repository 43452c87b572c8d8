"""Errors of predictions: per face from arrays, and statistics over a test set.

module            contents                                        implementation
landmark_error    normalised mean error (NME) of points           JAX, batched
pose_error        angles between head poses                       JAX, batched
mesh_error        distances between surfaces, after ICP           NumPy and k-d trees, one face
summary           means, yaw bins, failure rates, intervals       NumPy, over all faces
"""
