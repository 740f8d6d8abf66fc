#include "node/bench/disk.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { LINE_BYTES = 4096, NAME_BYTES = 256 };

/* A line of mountinfo: ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG ...] - TYPE SOURCE OPTIONS */
static bool describes(const char *line, dev_t device, char type[NAME_BYTES],
                      char source[NAME_BYTES]) {
    unsigned found_major, found_minor;
    if (sscanf(line, "%*u %*u %u:%u", &found_major, &found_minor) != 2) return false;
    if (found_major != major(device) || found_minor != minor(device)) return false;
    const char *rest = strstr(line, " - ");
    return rest != NULL && sscanf(rest, " - %255s %255s", type, source) == 2;
}

void disk_note(struct workload_run *run) {
    char line[LINE_BYTES], type[NAME_BYTES], source[NAME_BYTES];
    struct stat info;
    FILE *mounts = fopen("/proc/self/mountinfo", "r");
    if (mounts == NULL || stat(run->dir, &info) != 0) info.st_dev = 0;
    bool found = false;
    while (mounts != NULL && !found && fgets(line, sizeof line, mounts) != NULL)
        found = describes(line, info.st_dev, type, source);
    if (found)
        workload_note(run, "%s on %s", type, source);
    else
        workload_note(run, "an unknown file system");
    if (mounts != NULL) fclose(mounts);
}
