/*
 * keyring.c - the table of admitted and banned keys.
 */
#include "transport/keyring.h"

#include <stddef.h>
#include <string.h>

#include "node/base/map.h"
#include "node/base/memory.h"

enum { REFRESHES_MAX = 10 }; /* at once; one more each REFRESH_NS */
static const uint64_t REFRESH_NS = 1000000000;

struct keyring {
    char *directory;
    char *banned_directory;
    public_keys *admitted; /* as keys_list gave them */
    public_keys *banned;
    map_text admitted_by_key; /* Z85 -> its entry in `admitted` */
    map_text banned_by_key;
    unsigned refreshes_left;
    uint64_t refilled_ns; /* when refreshes_left grew last */
};

static bool has_prefix(const char *name, const char *prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

enum keyring_role keyring_role(const char *name) {
    if (has_prefix(name, "operate.") || strcmp(name, "control") == 0) return KEYRING_OPERATE;
    if (has_prefix(name, "observe.")) return KEYRING_OBSERVE;
    return KEYRING_NODE;
}

static bool opens(enum keyring_door door, const char *name) {
    return (keyring_role(name) == KEYRING_NODE) == (door == KEYRING_LINKS);
}

/* Files each key under its text. Of two files with one key the first by name counts. */
static void fill(map_text *by_key, public_keys *list, size_t count) {
    map_text_fini(by_key);
    map_text_init(by_key);
    char text[KEYS_TEXT_BYTES];
    for (size_t i = 0; i < count; i++) {
        keys_text(list[i].curve, text);
        if (map_text_find(by_key, text) == NULL) map_text_put(by_key, text, &list[i]);
    }
}

tr_status keyring_reload(struct keyring *ring, tr_error *error) {
    public_keys *admitted = NULL, *banned = NULL;
    size_t admitted_count = 0, banned_count = 0;
    tr_status status = keys_list(ring->directory, &admitted, &admitted_count, error);
    if (status != TR_OK) return status;
    status = keys_list(ring->banned_directory, &banned, &banned_count, error);
    if (status != TR_OK) {
        mem_free(admitted);
        return status;
    }
    mem_free(ring->admitted);
    mem_free(ring->banned);
    ring->admitted = admitted;
    ring->banned = banned;
    fill(&ring->admitted_by_key, admitted, admitted_count);
    fill(&ring->banned_by_key, banned, banned_count);
    return TR_OK;
}

tr_status keyring_open(const char *directory, struct keyring **ring_out, tr_error *error) {
    struct keyring *ring = mem_zalloc(1, sizeof *ring);
    ring->directory = mem_strdup(directory);
    ring->banned_directory = mem_format("%s/banned", directory);
    ring->refreshes_left = REFRESHES_MAX;
    tr_status status = keyring_reload(ring, error);
    if (status != TR_OK) {
        keyring_close(ring);
        return status;
    }
    *ring_out = ring;
    return TR_OK;
}

void keyring_close(struct keyring *ring) {
    if (ring == NULL) return;
    map_text_fini(&ring->admitted_by_key);
    map_text_fini(&ring->banned_by_key);
    mem_free(ring->admitted);
    mem_free(ring->banned);
    mem_free(ring->directory);
    mem_free(ring->banned_directory);
    mem_free(ring);
}

tr_status keyring_refresh(struct keyring *ring, uint64_t now_ns, tr_error *error) {
    uint64_t earned = (now_ns - ring->refilled_ns) / REFRESH_NS;
    if (earned > 0) {
        ring->refilled_ns = now_ns;
        ring->refreshes_left = earned < REFRESHES_MAX - ring->refreshes_left
                                   ? ring->refreshes_left + (unsigned)earned
                                   : REFRESHES_MAX;
    }
    if (ring->refreshes_left == 0) {
        return error_set(error, TR_EBUSY, NULL, "'%s' was read a moment ago", ring->directory);
    }
    ring->refreshes_left--;
    return keyring_reload(ring, error);
}

enum keyring_verdict keyring_judge(const struct keyring *ring, enum keyring_door door,
                                   const uint8_t key[KEYS_BYTES]) {
    char text[KEYS_TEXT_BYTES];
    keys_text(key, text);
    if (map_text_find(&ring->banned_by_key, text) != NULL) return KEYRING_BANNED;
    return keyring_name(ring, door, text) != NULL ? KEYRING_ADMITTED : KEYRING_UNKNOWN;
}

const char *keyring_name(const struct keyring *ring, enum keyring_door door, const char *key_text) {
    if (map_text_find(&ring->banned_by_key, key_text) != NULL) return NULL;
    const public_keys *entry = map_text_find(&ring->admitted_by_key, key_text);
    if (entry == NULL || !opens(door, entry->name)) return NULL;
    return entry->name;
}
