"""Protocols of published test sets: reading a test set, predicting its faces and scoring the predictions.

test set files -> AnnotatedPhotos -> Predictions of any method -> FaceErrors -> a report

annotated_photos      photos of faces with crops and annotations, independent of the file format
aflw2000              AFLW2000-3D: images and .mat files, with the original and the re-annotated landmarks
aflw_lfpa             AFLW-LFPA (AFLW-PIFA): 34 landmarks with visibility
annotations           a folder with one `annotations.npz`
synthetic             rendered faces with known coefficients, and errors of meshes
florence              MICC Florence: 3D scans, photos rendered from them, and errors of meshes
test_sets             a test set together with the scores that its protocol defines
predictions           prediction files of any method
input_landmarks       the landmarks that a network of this package receives
network_predictions   predictions of a network of this package
landmark_fit          predictions of a face model fitted to landmarks, a baseline
scoring               landmark and pose errors
surfaces              distances between meshes and true surfaces
"""
