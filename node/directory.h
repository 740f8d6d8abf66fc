/*
 * directory.h - this node's copy of the cluster's names, for look-ups without a message or a lock.
 *
 * A table that actors read is a hidden channel (I6): an entry carries the colour of the name
 * service that decided it, and its last value of an older colour stays beside it; a reader sees the
 * newest value that is not newer than itself. The name service writes; anybody reads within a
 * reclaim section.
 */
#ifndef TROUPE_DIRECTORY_H
#define TROUPE_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

#include "node/reclaim.h"

struct directory;

struct directory *directory_new(void);
/* Nobody reads any more. */
void directory_free(struct directory *directory);

/* The name resolves to `pid` (all zero: to nobody) as decided in `colour`. One writer at a time,
 * online in `reader`. */
void directory_put(struct directory *directory, struct reclaim_reader *reader, const char *name,
                   tr_pid pid, uint64_t colour);
/* What a reader of `colour` may see; false: nobody. */
bool directory_find(const struct directory *directory, const char *name, uint64_t colour,
                    tr_pid *pid_out);

#endif
