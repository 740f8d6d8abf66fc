/*
 * daemon_files.c - node.json, the lock, the pid file and the ready messages.
 */
#include "node/cli/daemon_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/check.h"
#include "node/cli/process.h"

enum { PATH_BYTES = 4096 };

static bool fail(char *reason_out, const char *what, const char *path) {
    int error = errno;
    snprintf(reason_out, DAEMON_REASON_BYTES, "cannot %s %.300s: %s", what, path, strerror(error));
    return false;
}

static bool make_folder(const char *folder, char *reason_out) {
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/", folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return fail(reason_out, "make folder", folder);
    }
    for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) return fail(reason_out, "make folder", path);
        *at = '/';
    }
    return true;
}

int daemon_lock(const char *folder, char reason_out[DAEMON_REASON_BYTES]) {
    char path[PATH_BYTES + 8];
    if (!make_folder(folder, reason_out)) return -1;
    snprintf(path, sizeof path, "%s/lock", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        fail(reason_out, "write", path);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno == EWOULDBLOCK)
        snprintf(reason_out, DAEMON_REASON_BYTES, "another node runs in folder %.300s", folder);
    else
        fail(reason_out, "lock", path);
    close(fd);
    return -1;
}

/* A text as a JSON string; names and endpoints are short, longer ones are cut. */
static void print_string(FILE *out, const char *text) {
    fputc('"', out);
    for (size_t i = 0; text[i] != '\0' && i < 1024; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void print_member(FILE *out, const char *key, const char *text) {
    fprintf(out, "\"%s\": ", key);
    print_string(out, text);
    fputs(", ", out);
}

static char *card_text(const struct daemon_card *card) {
    char *text = NULL;
    size_t bytes = 0;
    struct process self = {.pid = getpid()};
    process_of(self.pid, &self);
    FILE *out = open_memstream(&text, &bytes);
    check(out != NULL);
    fputc('{', out);
    print_member(out, "name", card->name);
    print_member(out, "cluster", card->cluster);
    print_member(out, "endpoint", card->endpoint);
    print_member(out, "control", card->control);
    print_member(out, "security", card->insecure ? "none" : "curve");
    print_member(out, "boot", self.boot);
    fprintf(out, "\"pid\": %ld, \"start\": %" PRIu64 "}\n", (long)self.pid, self.start);
    check(fclose(out) == 0);
    return text;
}

static bool write_all(int fd, const char *text, size_t bytes) {
    while (bytes > 0) {
        ssize_t written = write(fd, text, bytes);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text += written;
        bytes -= (size_t)written;
    }
    return true;
}

/* Through a temporary name, so that a reader never sees half a file. */
static bool replace_file(const char *path, const char *text, char *reason_out) {
    char temporary[PATH_BYTES + 16];
    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary) {
        errno = ENAMETOOLONG;
        return fail(reason_out, "write", path);
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return fail(reason_out, "write", temporary);
    bool written = write_all(fd, text, strlen(text));
    if (close(fd) != 0 || !written || rename(temporary, path) != 0) {
        fail(reason_out, "write", path);
        unlink(temporary);
        return false;
    }
    return true;
}

bool daemon_card_write(const char *folder, const struct daemon_card *card,
                       char reason_out[DAEMON_REASON_BYTES]) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/node.json", folder);
    char *text = card_text(card);
    bool written = replace_file(path, text, reason_out);
    free(text);
    return written;
}

void daemon_card_remove(const char *folder) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/node.json", folder);
    unlink(path);
}

bool daemon_pid_write(const char *path, char reason_out[DAEMON_REASON_BYTES]) {
    char text[32];
    snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return replace_file(path, text, reason_out);
}

void daemon_ready_bound(int fd, const struct daemon_card *card) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    check(out != NULL);
    fputc('{', out);
    print_member(out, "name", card->name);
    print_member(out, "endpoint", card->endpoint);
    print_member(out, "control", card->control);
    fprintf(out, "\"pid\": %ld}\n", (long)getpid());
    check(fclose(out) == 0);
    (void)write_all(fd, text, bytes);
    free(text);
}

void daemon_ready_up(int fd) {
    (void)write_all(fd, "up\n", 3);
}
