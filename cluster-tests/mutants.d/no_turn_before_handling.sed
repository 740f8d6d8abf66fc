# file: node/actor.c
# An actor handles a message though E has moved.
/^static bool actor_receive/,/^}/s/actor_colour\(actor\) < runtime_epoch/0 \&\& &/
