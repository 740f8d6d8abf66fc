# file: node/lease.c
# Slots of an ended session are spawned into in the next one.
s/^    if \(cache->session == session\) return cache;/    if (cache->session != 0) {\n        cache->session = session;\n        return cache;\n    }/
