/*
 * log_source.h - one node's log lines: from its file on this machine, or asked of the node.
 *
 * A source remembers how far it was read, so that reading again gives what is new. Lines that are
 * JSON become objects with time, level, node, msg and so on; others are kept as {"node", "line"}.
 * One thread.
 */
#ifndef TROUPE_CLI_LOG_SOURCE_H
#define TROUPE_CLI_LOG_SOURCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/cli/remote.h"

struct log_source;

/* Opens a source of the lines of `node` that contain `trace` (NULL: all): those of a file, or,
 * with `cluster` (borrowed, outlives it), those that the node serves. `tail_bytes` > 0: of the
 * last so many bytes only. The caller's. */
struct log_source *log_source_file(const char *node, const char *path, const char *trace,
                                   uint64_t tail_bytes);
struct log_source *log_source_node(const char *node, struct remote *remote, const char *trace,
                                   uint64_t tail_bytes);
void log_source_free(struct log_source *source);

bool log_source_is_remote(const struct log_source *source);

/* Gets each line as an object (borrowed) with its time in milliseconds since 1970 (0: unknown). */
typedef void log_source_each(void *context, const json_t *line, uint64_t time_ms);

/* Reads what has come since the last time. Errors: TR_EIO, and those of remote_call. */
tr_status log_source_read(struct log_source *source, log_source_each *each, void *context,
                          struct failure *failure);

/* Reads "2026-01-31T23:59:59.123Z" as milliseconds since 1970; 0 for anything else. */
uint64_t log_source_time(const char *text);

#endif
