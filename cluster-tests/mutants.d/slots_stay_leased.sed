# file: node/lease.c
# The end of a session leaves the slots leased that nobody was born in.
/^void lease_session_down/,/^}/s/if \(lease->begun\)/if (0)/
