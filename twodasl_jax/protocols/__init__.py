"""How published test sets are read and scored, and what any method's results on them look like.

a data set's files -> AnnotatedPhotos -> a method's Predictions -> FaceErrors -> a report

annotated_photos   photos of faces, crops and annotations, whatever files they came from
aflw2000           AFLW2000-3D: pictures and .mat files; original and re-annotated
aflw_lfpa          AFLW-LFPA (AFLW-PIFA): 34 points with visibility
annotations        a folder with one `annotations.npz`
synthetic          rendered faces whose every coefficient is known
florence           MICC Florence: scans, and photos of them
predictions        what a method found, from a file
inference          the same from a network of this package
scoring            predictions against annotations, one number a face and metric
"""
