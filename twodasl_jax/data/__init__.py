"""From pictures with annotations to batches of augmented crops.

file_sets, landmark_files, annotations    what users bring: pictures in folders or zip files, points in three formats
wild_points, pseudo_3d                    points that cannot be right; the face model fitted to the others
face_turning, face_profiling              fitted faces, turned to larger yaw
faces_2d, face300w_lp, synthetic_crops    every kind of faces as a source of crops
face_crops                                the one form in which they are stored (TFDS, array_record, no TensorFlow)
pipeline, augmentation                    endless batches (Grain), changed at random on the device
"""
