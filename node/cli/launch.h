/*
 * launch.h - starting daemons and learning that they are bound, and then up, by an event.
 *
 * A daemon inherits the write end of a pipe (--ready-fd) and tells on it where it is bound and that
 * it has joined; its end closes the pipe. Nothing is polled. What it prints goes to the file
 * `output` in its folder and is quoted when it fails. A daemon outlives its launcher, in a session
 * of its own. One thread.
 */
#ifndef TROUPE_CLI_LAUNCH_H
#define TROUPE_CLI_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/cli/failure.h"

/* A daemon that was started. */
struct launch;

/* Texts are borrowed for the call. */
struct launch_options {
    const char *program; /* the daemon's path */
    const char *folder;  /* the node's folder, with its trouped.ini */
    const char *name;
    const char *const *seeds; /* NAME@ENDPOINT, ended by NULL; NULL: none */
};

enum launch_goal { LAUNCH_BOUND, LAUNCH_UP };

/* How many of `count` have got there. */
typedef void launch_progress(void *context, size_t reached, size_t count);

/* Finds the daemon's program: $TROUPED, else `trouped` beside this program, else in the PATH's
 * sense by name. The caller's (mem_free). */
char *launch_program(void);

/* Starts one daemon; `*launch_out` is the caller's. Errors: TR_ENOENT (no program), TR_EIO. */
tr_status launch_start(const struct launch_options *options, struct launch **launch_out,
                       struct failure *failure);

/* Waits until all have reached the goal. `signal_fd` (-1: none) is a signalfd whose readability
 * interrupts. `progress` may be NULL. Errors: TR_ETIMEDOUT, naming those that are missing;
 * TR_EINTR; and for a daemon that ended, the status of its exit code with its own words. */
tr_status launch_wait(struct launch *const *launches, size_t count, enum launch_goal goal,
                      uint64_t timeout_ms, int signal_fd, launch_progress *progress, void *context,
                      struct failure *failure);

/* The endpoint and process id it told once bound; borrowed, NULL and 0 before. */
const char *launch_endpoint(const struct launch *launch);
const char *launch_name(const struct launch *launch);

/* The exit code of a daemon that ended, or -1. */
int launch_exit_code(const struct launch *launch);

/* Leaves the daemon running and frees what is known of it. */
void launch_release(struct launch *launch);

/* Stops the daemons: asks (SIGTERM), and after `grace_ms` kills; reaps and frees them all. */
void launch_abandon(struct launch **launches, size_t count, uint64_t grace_ms);

#endif
