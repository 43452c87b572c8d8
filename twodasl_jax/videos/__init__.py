"""Faces in videos and camera streams.

frames -> tracking -> smoothing, in the image frame -> the people of each frame

files.py        video files, as streams of frames
cameras.py      frames of a camera
windows.py      a window that displays pictures
tracking.py     tracking of faces from frame to frame
smoothing.py    smoothing of faces over time, with the one-euro filter
following.py    tracking and smoothing together: the people of each frame
"""
