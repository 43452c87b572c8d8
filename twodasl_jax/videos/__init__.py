"""Faces in moving pictures.

frames -> tracking (who is where) -> smoothing (in the image frame) -> the people of each frame

files.py        video files, frame by frame
cameras.py      frames of a camera
windows.py      a window that shows them
tracking.py     following faces from frame to frame
smoothing.py    steady faces: the one-euro filter
following.py    the people of each frame: both together
"""
