# file: node/peer.c
# A node that comes up during a snapshot is heard inside the cut.
/^static bool is_outside\(struct peer \*peer\) \{/,/^}/s/!snapshot_admission_frozen\(/1 || &/
