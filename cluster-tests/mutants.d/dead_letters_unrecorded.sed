# file: node/recording.c
# An older message that ends as a dead letter is not recorded.
/^void recording_dead_letter/,/^}/s/if \(message_in_channel\(item\) && item->colour < colour\)/if (false)/
