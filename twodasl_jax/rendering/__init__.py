"""Pictures of face meshes: the z-buffer and the overlay drawn over a photo."""
