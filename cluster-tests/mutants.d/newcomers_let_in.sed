# file: node/peer_link.c
# A node that comes up during a snapshot is heard inside the cut.
/^bool peer_is_outside\(struct peer \*peer\) \{/,/^}/s/snapshot_admission_frozen\(/0 \&\& &/
