/*
 * daemon_files.h - what the daemon leaves in its folder for others to find.
 *
 * FOLDER/node.json says where the node is reached and which process it is, from the moment it is
 * bound until it has stopped cleanly: the control program finds nodes by it, and one that stays
 * behind tells of a crash. FOLDER/lock keeps a second node out. Knows libc only; one thread.
 */
#ifndef TROUPE_CLI_DAEMON_FILES_H
#define TROUPE_CLI_DAEMON_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* Where a bound node is reached; texts are borrowed. */
struct daemon_card {
    const char *name;
    const char *cluster;
    const char *endpoint;
    const char *control;
    bool insecure;
};

enum { DAEMON_REASON_BYTES = 512 };

/* Makes the folder (mode 0700, with those above it) and locks it for this process; returns a
 * descriptor to keep open, or -1 with a sentence in `reason_out`: not writable, or another node
 * runs in it. */
int daemon_lock(const char *folder, char reason_out[DAEMON_REASON_BYTES]);

/* Writes FOLDER/node.json, complete or not at all. False with a sentence in `reason_out`. */
bool daemon_card_write(const char *folder, const struct daemon_card *card,
                       char reason_out[DAEMON_REASON_BYTES]);

/* Removes FOLDER/node.json; that there is none is fine. */
void daemon_card_remove(const char *folder);

/* Writes the process id and a newline to a file. False with a sentence in `reason_out`. */
bool daemon_pid_write(const char *path, char reason_out[DAEMON_REASON_BYTES]);

/* Writes {"name","endpoint","control","pid"} and a newline to a descriptor; that nobody reads it
 * is fine. */
void daemon_ready_bound(int fd, const struct daemon_card *card);

/* Writes "up" and a newline to a descriptor. */
void daemon_ready_up(int fd);

#endif
