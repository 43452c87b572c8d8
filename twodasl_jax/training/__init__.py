"""From prepared data to weights.

state, face_space    what goes into a step: batches, the state that changes, the face model
recipe               what a step does, from a config
method               the two passes of 2DASL and the terms of its loss
self_critic          the opponent's view, and its turn
step                 one pure step of both players
collectives          what the devices of a step say to each other
devices, processes   the step on many devices, by pmap or shard_map, in one process or several
settings, batches    what a config may say, and the data that it names
run                  all of these, built from a config; dry_run says what it would be, compiled what its step costs
loop                 feeds the step, until the last one or until asked to stop (stopping, watch)
workdir, checkpoints, journal, validation    what it leaves behind: one config, all that changes, and how well it does
"""
