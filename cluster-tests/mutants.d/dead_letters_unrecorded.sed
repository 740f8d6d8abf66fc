# file: node/recording.c
# An older message that ends as a dead letter is not recorded.
/^void recording_dead_letter/,/^}/s/message_in_channel\(item\) &&/0 \&\&/
