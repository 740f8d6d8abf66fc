# file: node/snapshot_member.c
# E moves before start is queued on the links.
/^void snapshot_member_begin/,/^}/{s/^    post_to_others\(snapshot, &start\);//; s/^(    ops->sweep\(.*)$/    post_to_others(snapshot, \&start);\n\1/}
