# file: node/actor.c
# A red actor takes older messages without recording them.
/^static bool actor_receive/,/^}/s/record_if_older\(worker, item, colour\);/if (message_in_channel(item) \&\& item->colour < colour) item->colour = colour;/
