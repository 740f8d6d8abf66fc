# file: node/spawn.c
# A spawner is not told that its spawn has failed.
s/^        answer\(producer, item, heard, &error\);//
