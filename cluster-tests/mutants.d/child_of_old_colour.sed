# file: node/spawn.c
# A child from elsewhere is born in the colour of its spawner.
s/\.colour = runtime_epoch\(producer->runtime\)/.colour = item->colour/
s/^        item->colour = epoch;//
