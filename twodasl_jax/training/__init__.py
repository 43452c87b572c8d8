"""Training: from prepared data to weights.

settings                 names, types and defaults of the settings of a run
recipe, optimizers       the components of a training step, built from the settings
state, face_space        the inputs of a step: batches, training state, face model
method                   the two passes of 2DASL and the terms of its loss
self_critic              the adversarial loss and the critic update
step                     one training step, a pure function: regressor update, then critic update
devices                  the step on several devices: `shard_map` or `pmap`, and the collectives
processes                the step in several processes: joining them, and the watchdog
batches                  the data sets and batches of a run
run                      a run before its first step, built from its settings
loop                     the training loop
stopping                 reasons to stop early: preemption and divergence
validation               errors on held-out faces
workdir, checkpoints     the files of a run: lock, settings, metrics; training state
compiled                 the cost of a compiled step, and the dry run
"""
