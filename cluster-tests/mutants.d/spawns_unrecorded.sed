# file: node/spawn.c
# A spawn that was in flight at the cut is not recorded.
s/^        record_request\(/        (void)(/
