"""Rendering of face meshes: z-buffer, overlays on a photo, per-pixel maps and textures."""
