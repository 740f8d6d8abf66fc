# file: node/actor.c
# A red actor takes older messages without recording them.
/^static bool actor_receive/,/^}/s/recording_message\(/(void)(/
