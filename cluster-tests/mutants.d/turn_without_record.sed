# file: node/actor.c
# An actor takes the new colour unrecorded.
s/= recording_actor\(/= 0 \&\& recording_actor(/
