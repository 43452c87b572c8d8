"""Pictures of face meshes: the z-buffer, what is drawn over a photo, and maps of numbers."""
