/*
 * daemon_settings.h - what the daemon is told: by flags, environment, a file, and defaults.
 *
 * One table names every setting; each is a flag (--log-level), a variable (TROUPED_LOG_LEVEL) and a
 * key of the configuration file (log-level). Flag beats environment beats file beats default. A
 * list given in one place replaces the lists of weaker places. Knows libc, argp and inih only; one
 * thread.
 */
#ifndef TROUPE_CLI_DAEMON_SETTINGS_H
#define TROUPE_CLI_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts in order, ended by a NULL; the settings' own. */
struct daemon_list {
    char **items;
    size_t count;
};

/* Zero or NULL means the node's own default. Texts are the settings' own, until
 * daemon_settings_fini. */
struct daemon_settings {
    char *config; /* the configuration file */
    char *name;
    char *cluster;
    char *dir;
    char *keys;
    char *snapshots;
    char *listen;
    char *advertise;
    char *control;
    struct daemon_list seeds;
    struct daemon_list loads;
    bool insecure;
    uint64_t workers;
    uint64_t mailbox_low, mailbox_high, mailbox_hard;
    uint64_t message_bytes_max;
    uint64_t suspect_after_ms, down_after_ms, slow_handler_ms;
    char *log, *log_format, *log_level;
    char *pid_file;
    uint64_t ready_fd;         /* 0: none */
    unsigned char sources[32]; /* where each came from; for daemon_settings.c */
};

enum daemon_source { DAEMON_DEFAULT, DAEMON_FILE, DAEMON_ENVIRONMENT, DAEMON_FLAG };

enum { DAEMON_ERROR_BYTES = 512 };

/* Reads flags, then environment, then the file that one of them names, and fills the defaults
 * in. Prints help, version and usage errors itself and exits then (0 or 64). Returns 0, or the
 * exit code 78 with one line in `error_out` about a file or variable that is wrong. The settings
 * are to be freed in both cases. */
int daemon_settings_load(int argc, char **argv, struct daemon_settings *settings_out,
                         char error_out[DAEMON_ERROR_BYTES]);

/* Frees the texts. */
void daemon_settings_fini(struct daemon_settings *settings);

/* Sets one setting by its key from a text; a stronger source's value stays. False with a line in
 * `error_out` (without saying where the text stood): an unknown key, with the nearest known one,
 * or a text that does not fit. */
bool daemon_settings_set(struct daemon_settings *settings, const char *key, const char *text,
                         enum daemon_source source, char error_out[DAEMON_ERROR_BYTES]);

/* Reads a configuration file into the settings. False with "FILE:LINE: ..." in `error_out`. */
bool daemon_settings_read_file(struct daemon_settings *settings, const char *path,
                               char error_out[DAEMON_ERROR_BYTES]);

#endif
