# file: node/actor.c
# An actor handles a message though E has moved.
/^static bool actor_receive/,/^}/s/if \(actor_colour\(actor\) < runtime_epoch\(actor->runtime\)\) actor_turn\(worker, actor\);//
