"""Preparation of training data: photos with labels become the records of `data.face_crops`.

    files of a user or a published data set
      -> reader      pictures, labels, and annotations if the data set has any
      -> outliers    outliers among the labels are dropped, if requested
      -> fit         pseudo annotations from labels (`pseudo_3d`)
      -> source      a `CropSource`, which crops each face when its record is written
      -> profiling   more records of the same faces at larger yaw, if requested (`face_profiling`)
      -> records     `data.face_crops.prepare_face_crops` writes them
      -> summary     statistics, contact sheet and whitening

    records               picture and annotation of a record, from a photo and a box
    file_sets             a folder or a zip archive as a set of named files
    landmark_files        `.pts`, `.csv` and `.npz` files of labels
    labelled_images       reader of pictures with 68 labels each, and their crops
    in_the_wild           source of such pictures, with labels alone or with pseudo annotations
    face300w_lp           reader and source of 300W-LP
    aflw                  reader and source of AFLW, with the labels of two mark-ups
    synthetic_crops       source of rendered faces with exact annotations
    pseudo_3d             the fit of the face model to labels
    outliers              removal of labels that are far from a fit
    profile_warp          a picture of a face warped to a larger yaw
    face_profiling        records of profiled faces
    sources               one function per kind of data set, from files to a `CropSource`
    summary               printed statistics, the contact sheet and `whitening.npz`
    landmark_placement    positions of the landmarks of a mark-up on the mesh of a face model

The program `experiments/prepare_data.py` runs these steps.
"""
