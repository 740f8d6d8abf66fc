# file: node/recording.c
# Markers go out while some actors are still of an older colour.
/^bool recording_all_red/,/^}/s/return first\.born/return first.born >= second.left || first.born/
