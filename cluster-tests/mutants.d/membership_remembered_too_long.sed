# file: node/peer_link.c
# Whether a peer is a member is judged once and for all.
s/peer->judged.version == version && peer->judged.incarnation == peer->incarnation/peer->judged.version != 0/
