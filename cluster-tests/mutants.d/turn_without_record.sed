# file: node/actor.c
# An actor takes the new colour unrecorded.
s/bool recorded = recording_actor\(producer, actor, epoch\);/bool recorded = false;/
