"""From prepared data to weights.

state, face_space    what goes into a step: batches, the state that changes, the face model
recipe               what a step does, from a config
method               the two passes of 2DASL and the terms of its loss
self_critic          the opponent's view, and its turn
step                 one pure step of both players
collectives          what the devices of a step say to each other
devices, processes   the step on many devices, by pmap or shard_map, in one process or several
compiled             what a compiled step costs
batches, loop, checkpoints, validation    a run that feeds the step, saves, resumes and measures itself
"""
