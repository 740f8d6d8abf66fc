/*
 * scratch_folder.h - a folder for the length of one test.
 *
 * For tests only; a test that fails leaves its folder behind to be looked at.
 */
#ifndef TROUPE_CLI_SCRATCH_FOLDER_H
#define TROUPE_CLI_SCRATCH_FOLDER_H

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/check.h"

enum { SCRATCH_FOLDER_BYTES = 40 };

/* Makes a new folder and writes its path. */
static inline void scratch_folder_make(char path_out[SCRATCH_FOLDER_BYTES]) {
    strcpy(path_out, "/tmp/troupe_test_XXXXXX");
    check(mkdtemp(path_out) != NULL);
}

/* Removes the folder with all in it. */
static inline void scratch_folder_remove(char *path) {
    char *const paths[] = {path, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; walk != NULL && (entry = fts_read(walk)) != NULL;)
        if (entry->fts_info != FTS_D) (void)remove(entry->fts_path); /* folders when left */
    if (walk != NULL) fts_close(walk);
}

#endif
