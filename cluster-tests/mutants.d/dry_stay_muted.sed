# file: node/lease.c
# Actors that wait for slots are not freed when some come.
/^static tr_status take_grant/,/^}/s/free_waiting\(lease\);//
