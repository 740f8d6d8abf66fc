# file: node/recording.c
# A dead letter that was recorded is never counted as received.
/^void recording_dead_letter/,/^}/s/item->origin != 0/& \&\& item->colour >= colour/
