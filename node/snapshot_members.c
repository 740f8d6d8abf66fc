/*
 * snapshot_members.c - sorted views of the cluster, and the names of cuts.
 */
#include "node/snapshot_members.h"

#include <stdio.h>
#include <string.h>

#include "node/base/memory.h"

bool snapshot_name_valid(const char *name) {
    size_t bytes = 0;
    for (; name[bytes] != '\0'; bytes++) {
        char c = name[bytes];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && c != '_' && c != '-') return false;
    }
    return bytes > 0 && bytes < SNAPSHOT_NAME_BYTES;
}

/* FNV-1a, folded: the same on every machine, whatever the order in which nodes joined. */
uint16_t snapshot_name_bits(const char *name) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *name != '\0'; name++) hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return (uint16_t)(hash ^ hash >> 16 ^ hash >> 32 ^ hash >> 48);
}

int snapshot_cut_compare(const snapshot_cut *a, const snapshot_cut *b) {
    if (a->epoch != b->epoch) return a->epoch < b->epoch ? -1 : 1;
    return strcmp(a->initiator, b->initiator);
}

bool snapshot_cut_make(uint64_t epoch, const char *initiator, snapshot_cut *cut_out) {
    if (epoch == 0 || epoch > SNAPSHOT_EPOCH_MAX || !snapshot_name_valid(initiator)) return false;
    snapshot_cut cut = {.epoch = epoch};
    snprintf(cut.initiator, sizeof cut.initiator, "%s", initiator);
    uint64_t counter = epoch >> 16;
    char whole[2 * SNAPSHOT_ID_BYTES];
    int bytes = snprintf(whole, sizeof whole, "s%06" PRIu64 "-%s", counter, initiator);
    if (bytes >= SNAPSHOT_ID_BYTES) { /* a long name is cut, and its 16 bits stand for the rest */
        bytes = snprintf(whole, sizeof whole, "s%06" PRIu64 "-%.40s-%04x", counter, initiator,
                         (unsigned)(epoch & 0xffff));
    }
    memcpy(cut.id, whole, (size_t)bytes + 1);
    *cut_out = cut;
    return true;
}

/* The place where `name` is or belongs. */
static size_t place_of(const struct snapshot_view *view, const char *name) {
    size_t low = 0, high = view->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(view->members[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t snapshot_view_find(const struct snapshot_view *view, const char *name) {
    size_t place = place_of(view, name);
    bool there = place < view->count && strcmp(view->members[place].name, name) == 0;
    return there ? place : SIZE_MAX;
}

void snapshot_view_add(struct snapshot_view *view, const char *name, uint64_t incarnation,
                       uint64_t session) {
    if (!snapshot_name_valid(name) || view->count == SNAPSHOT_MEMBERS_MAX ||
        snapshot_view_find(view, name) != SIZE_MAX) {
        view->unusable = true;
        return;
    }
    if (view->count == view->capacity) {
        view->capacity = view->capacity == 0 ? 8 : view->capacity * 2;
        view->members = mem_realloc_array(view->members, view->capacity, sizeof view->members[0]);
    }
    size_t place = place_of(view, name);
    struct snapshot_member *member = &view->members[place];
    memmove(member + 1, member, (view->count - place) * sizeof *member);
    *member = (struct snapshot_member){.incarnation = incarnation, .session = session};
    snprintf(member->name, sizeof member->name, "%s", name);
    view->count++;
}

void snapshot_view_fini(struct snapshot_view *view) {
    mem_free(view->members);
    *view = (struct snapshot_view){0};
}

void snapshot_view_move(struct snapshot_view *target, struct snapshot_view *source) {
    snapshot_view_fini(target);
    *target = *source;
    *source = (struct snapshot_view){0};
}

void snapshot_view_copy(struct snapshot_view *target, const struct snapshot_view *source) {
    *target = *source;
    target->capacity = source->count;
    target->members = mem_dup(source->members, source->count * sizeof source->members[0]);
}

bool snapshot_view_same_lives(const struct snapshot_view *a, const struct snapshot_view *b) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->members[i].name, b->members[i].name) != 0) return false;
        if (a->members[i].incarnation != b->members[i].incarnation) return false;
    }
    return true;
}

bool snapshot_view_equal(const struct snapshot_view *a, const struct snapshot_view *b) {
    if (!snapshot_view_same_lives(a, b)) return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->members[i].session != b->members[i].session) return false;
    }
    return true;
}
