/*
 * suite.c - the tables of workloads, and looking one up.
 */
#include "node/bench/suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/error.h"
#include "node/bench/child.h"
#include "node/bench/trial.h"
#include "node/cli/suggest.h"

enum { NAMES_MAX = 64, NAME_BYTES = 64 };

static const struct {
    const struct workload *workloads;
    bool sized; /* they take a size and run only when named */
} tables[] = {
    {workloads_local, false},  {workloads_remote, false},          {workloads_snapshot, false},
    {workloads_scaling, true}, {workloads_snapshot_scaling, true},
};

static const struct {
    const char *word;
    suite_main *main;
} hidden[] = {
    {TRIAL_WORD, trial_main},
    {CHILD_ARGUMENT, child_main},
};

static const size_t table_count = sizeof tables / sizeof tables[0];

const struct workload *suite_at(size_t index) {
    for (size_t table = 0; table < table_count; table++) {
        if (tables[table].sized) continue;
        for (const struct workload *at = tables[table].workloads; at->name != NULL; at++)
            if (index-- == 0) return at;
    }
    return NULL;
}

static const struct workload *find(const char *name, size_t bytes, bool *sized_out) {
    for (size_t table = 0; table < table_count; table++)
        for (const struct workload *at = tables[table].workloads; at->name != NULL; at++) {
            if (strlen(at->name) != bytes || memcmp(at->name, name, bytes) != 0) continue;
            *sized_out = tables[table].sized;
            return at;
        }
    return NULL;
}

static tr_status refuse(const char *word, size_t bytes, tr_error *error) {
    const char *names[NAMES_MAX];
    char name[NAME_BYTES];
    size_t count = 0;
    for (size_t table = 0; table < table_count; table++)
        for (const struct workload *at = tables[table].workloads; at->name != NULL; at++)
            if (count < NAMES_MAX) names[count++] = at->name;
    if (bytes >= sizeof name) bytes = sizeof name - 1;
    memcpy(name, word, bytes);
    name[bytes] = '\0';
    error_set(error, TR_EINVAL, "`troupe bench --list` lists them", "there is no workload `%s`",
              name);
    const char *nearest = suggest_nearest(name, names, count);
    if (nearest != NULL) error_hint(error, "did you mean `%s`?", nearest);
    return TR_EINVAL;
}

tr_status suite_find(const char *word, const struct workload **workload_out, uint64_t *size_out,
                     tr_error *error) {
    size_t bytes = strcspn(word, ":");
    bool sized = false;
    const struct workload *found = find(word, bytes, &sized);
    unsigned long long size = 0;
    if (found == NULL) return refuse(word, bytes, error);
    if (word[bytes] == ':') {
        const char *number = word + bytes + 1;
        char *end;
        errno = 0;
        size = strtoull(number, &end, 10);
        if (!sized)
            return error_set(error, TR_EINVAL, NULL, "workload `%s` takes no size", found->name);
        if (*number < '0' || *number > '9' || *end != '\0' || errno != 0 || size == 0)
            return error_set(error, TR_EINVAL, NULL, "`%s`: `%s` is no size", word, number);
    }
    *workload_out = found;
    *size_out = size;
    return TR_OK;
}

suite_main *suite_hidden(const char *word) {
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        if (strcmp(hidden[i].word, word) == 0) return hidden[i].main;
    return NULL;
}
