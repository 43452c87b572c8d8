"""Construction of the embedded face model; experiments/face_model/build.py runs it.

assembly.py       all steps, from MakeHuman's data to the arrays of the file
makehuman.py      reader of MakeHuman's data
region.py         the part of the base mesh that is the face
clipping.py       clipping of a mesh along a smooth line
landmarks.py      the 68 landmarks on the base mesh
population.py     random identities
expressions.py    the distribution of expressions
basis.py          principal components
lips.py           detection of intersecting lips
"""
