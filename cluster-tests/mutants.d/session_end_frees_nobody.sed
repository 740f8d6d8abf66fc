# file: node/peer_link.c
# Those muted for a node stay muted when its session ends.
/^static void on_session_down/,/^}/s/end_pressure\(peer\);//
