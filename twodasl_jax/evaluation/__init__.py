"""How far predictions are from annotations: errors of each face, and what a test set says of them.

landmark_error  normalised mean error (NME) of points       one number a face, arrays in, arrays out
pose_error      angles between head poses                   the same
mesh_error      distances between surfaces, after ICP       the same, by k-d trees
summary         means, yaw bins, failures, intervals        of the numbers of all faces
"""
