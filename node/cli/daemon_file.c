/*
 * daemon_file.c - the daemon's configuration file, through inih.
 *
 * The only file that knows <ini.h>. inih's handler is not told the line it is at in Debian's build,
 * so the lines are counted while they are handed to it.
 */
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "node/cli/daemon_settings.h"

/* Debian's inih takes longer lines when told so; elsewhere the variable does not exist and lines
 * stay at 200 bytes. */
extern int ini_max_line __attribute__((weak));

enum { LINE_BYTES_MAX = 4096 };

struct reading {
    struct daemon_settings *settings;
    const char *path;
    FILE *file;
    int line;        /* the one inih is at, from 1 */
    bool within;     /* the last piece had no newline */
    char *error_out; /* filled when `failed` */
    bool failed;
};

static void fail_at(struct reading *reading, int line, const char *reason) {
    if (reading->failed) return;
    reading->failed = true;
    snprintf(reading->error_out, DAEMON_ERROR_BYTES, "%.200s:%d: %.280s", reading->path, line,
             reason);
}

/* fgets that counts, and notices lines longer than inih's buffer. */
static char *read_line(char *out, int out_bytes, void *context) {
    struct reading *reading = context;
    char *line = fgets(out, out_bytes, reading->file);
    if (line == NULL) return NULL;
    if (!reading->within) reading->line++;
    reading->within = strchr(line, '\n') == NULL;
    if (reading->within && (int)strlen(line) + 1 == out_bytes)
        fail_at(reading, reading->line, "the line is too long");
    return line;
}

static int take_pair(void *context, const char *section, const char *key, const char *value) {
    struct reading *reading = context;
    char reason[DAEMON_ERROR_BYTES];
    if (*section != '\0' && strcmp(section, "node") != 0) {
        snprintf(reason, sizeof reason, "unknown section [%.64s]; settings stand in [node]",
                 section);
        fail_at(reading, reading->line, reason);
    } else if (strcmp(key, "config") == 0) {
        fail_at(reading, reading->line, "config: a file cannot name another one");
    } else if (!daemon_settings_set(reading->settings, key, value, DAEMON_FILE, reason)) {
        fail_at(reading, reading->line, reason);
    }
    return reading->failed ? 0 : 1;
}

bool daemon_settings_read_file(struct daemon_settings *settings, const char *path,
                               char error_out[DAEMON_ERROR_BYTES]) {
    struct reading reading = {.settings = settings, .path = path, .error_out = error_out};
    reading.file = fopen(path, "re");
    if (reading.file == NULL) {
        snprintf(error_out, DAEMON_ERROR_BYTES, "%.300s: %s", path, strerror(errno));
        return false;
    }
    if (&ini_max_line != NULL) ini_max_line = LINE_BYTES_MAX;
    int bad_line = ini_parse_stream(read_line, &reading, take_pair, &reading);
    bool unreadable = ferror(reading.file) != 0;
    fclose(reading.file);
    if (unreadable) snprintf(error_out, DAEMON_ERROR_BYTES, "%.300s: cannot be read", path);
    if (bad_line != 0) fail_at(&reading, bad_line, "neither `key = value` nor a [section]");
    return !reading.failed && !unreadable;
}
