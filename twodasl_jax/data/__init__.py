"""The data that a training run reads: prepared records, batches and augmentation.

    prepared data set -> face_crops -> pipeline -> augmentation -> training step

    face_crops     the records on disk: a TFDS data set in array_record, read without TensorFlow
    pipeline       endless batches with fixed shares of yaw (Grain)
    augmentation   random changes of a batch, and a simulated landmark detector, on the accelerator

A module belongs here if a training run imports it. Code that makes records from photos belongs in
`preparation`. A future cache of faces in accelerator memory belongs here too, beside `pipeline`.
"""
