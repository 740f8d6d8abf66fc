/*
 * disk.h - what a folder is stored on: a figure that waits for a disk names it.
 */
#ifndef TROUPE_BENCH_DISK_H
#define TROUPE_BENCH_DISK_H

#include "node/bench/workload.h"

/* Notes the file system and the device of the run's folder: "ext4 on /dev/vda1". */
void disk_note(struct workload_run *run);

#endif
