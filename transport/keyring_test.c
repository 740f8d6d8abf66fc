/*
 * keyring_test.c - which keys come in at which door.
 */
#include "transport/keyring.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/random.h"

TestSuite(keyring, .timeout = 30);

static void seeded(void *context, void *out, size_t bytes) {
    random_fill(context, out, bytes);
}

/* A folder, and a maker of keys in it. */
struct folder {
    char path[64];
    random_state random;
};

static struct folder folder_make(void) {
    struct folder folder = {.path = "/tmp/troupe-keyring-XXXXXX"};
    cr_assert(mkdtemp(folder.path) != NULL);
    random_seed(&folder.random, 1);
    return folder;
}

static key_pair folder_add(struct folder *folder, const char *below, const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder->path, below);
    key_pair keys;
    cr_assert(eq(int, keys_load_or_make(path, name, seeded, &folder->random, &keys, NULL), TR_OK));
    return keys;
}

static void folder_remove(struct folder *folder) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder->path);
    cr_assert(eq(int, system(command), 0));
}

static struct keyring *ring_open(const struct folder *folder) {
    struct keyring *ring = NULL;
    cr_assert(eq(int, keyring_open(folder->path, &ring, NULL), TR_OK));
    return ring;
}

Test(keyring, a_name_tells_the_role) {
    cr_assert(eq(int, keyring_role("n1"), KEYRING_NODE));
    cr_assert(eq(int, keyring_role("operator"), KEYRING_NODE));
    cr_assert(eq(int, keyring_role("observer"), KEYRING_NODE));
    cr_assert(eq(int, keyring_role("operate.local"), KEYRING_OPERATE));
    cr_assert(eq(int, keyring_role("control"), KEYRING_OPERATE));
    cr_assert(eq(int, keyring_role("observe.alice"), KEYRING_OBSERVE));
}

Test(keyring, each_key_opens_the_door_of_its_role_only) {
    struct folder folder = folder_make();
    key_pair node = folder_add(&folder, "", "n1");
    key_pair operating = folder_add(&folder, "", "operate.local");
    key_pair observer = folder_add(&folder, "", "observe.alice");
    struct keyring *ring = ring_open(&folder);
    const uint8_t *keys[] = {node.curve_public, operating.curve_public, observer.curve_public};
    const char *names[] = {"n1", "operate.local", "observe.alice"};
    for (int i = 0; i < 3; i++) {
        char text[KEYS_TEXT_BYTES];
        keys_text(keys[i], text);
        enum keyring_door own = i == 0 ? KEYRING_LINKS : KEYRING_CONTROL;
        enum keyring_door other = i == 0 ? KEYRING_CONTROL : KEYRING_LINKS;
        cr_assert(eq(int, keyring_judge(ring, own, keys[i]), KEYRING_ADMITTED));
        cr_assert(eq(int, keyring_judge(ring, other, keys[i]), KEYRING_UNKNOWN));
        cr_assert(eq(str, (char *)keyring_name(ring, own, text), (char *)names[i]));
        cr_assert(keyring_name(ring, other, text) == NULL);
    }
    keyring_close(ring);
    folder_remove(&folder);
}

Test(keyring, an_unknown_key_is_found_after_a_refresh) {
    struct folder folder = folder_make();
    struct keyring *ring = ring_open(&folder);
    key_pair late = folder_add(&folder, "", "n2");
    cr_assert(eq(int, keyring_judge(ring, KEYRING_LINKS, late.curve_public), KEYRING_UNKNOWN));
    cr_assert(eq(int, keyring_refresh(ring, 1, NULL), TR_OK));
    cr_assert(eq(int, keyring_judge(ring, KEYRING_LINKS, late.curve_public), KEYRING_ADMITTED));
    keyring_close(ring);
    folder_remove(&folder);
}

Test(keyring, refreshes_are_limited_to_ten_and_then_one_a_second) {
    struct folder folder = folder_make();
    struct keyring *ring = ring_open(&folder);
    uint64_t second_ns = 1000000000, now_ns = 5 * second_ns;
    for (int i = 0; i < 10; i++) cr_assert(eq(int, keyring_refresh(ring, now_ns, NULL), TR_OK));
    cr_assert(eq(int, keyring_refresh(ring, now_ns, NULL), TR_EBUSY));
    cr_assert(eq(int, keyring_refresh(ring, now_ns + second_ns - 1, NULL), TR_EBUSY));
    cr_assert(eq(int, keyring_refresh(ring, now_ns + second_ns, NULL), TR_OK));
    cr_assert(eq(int, keyring_refresh(ring, now_ns + second_ns, NULL), TR_EBUSY));
    now_ns += 1000 * second_ns; /* a long rest does not save up more than ten */
    for (int i = 0; i < 10; i++) cr_assert(eq(int, keyring_refresh(ring, now_ns, NULL), TR_OK));
    cr_assert(eq(int, keyring_refresh(ring, now_ns, NULL), TR_EBUSY));
    keyring_close(ring);
    folder_remove(&folder);
}

Test(keyring, a_banned_key_is_refused_at_both_doors_also_under_another_name) {
    struct folder folder = folder_make();
    key_pair node = folder_add(&folder, "", "n1");
    char command[256];
    snprintf(command, sizeof command, "mkdir %s/banned && cp %s/n1.pub %s/banned/other.pub",
             folder.path, folder.path, folder.path);
    cr_assert(eq(int, system(command), 0));
    struct keyring *ring = ring_open(&folder);
    char text[KEYS_TEXT_BYTES];
    keys_text(node.curve_public, text);
    cr_assert(eq(int, keyring_judge(ring, KEYRING_LINKS, node.curve_public), KEYRING_BANNED));
    cr_assert(eq(int, keyring_judge(ring, KEYRING_CONTROL, node.curve_public), KEYRING_BANNED));
    cr_assert(keyring_name(ring, KEYRING_LINKS, text) == NULL);
    keyring_close(ring);
    folder_remove(&folder);
}

Test(keyring, a_damaged_file_keeps_what_was_known_in_force) {
    struct folder folder = folder_make();
    key_pair node = folder_add(&folder, "", "n1");
    struct keyring *ring = ring_open(&folder);
    char path[128];
    snprintf(path, sizeof path, "%s/n2.pub", folder.path);
    FILE *file = fopen(path, "w");
    fputs("no keys in here\n", file);
    fclose(file);
    tr_error error = {0};
    cr_assert(eq(int, keyring_reload(ring, &error), TR_EDATA));
    cr_assert(strstr(error.message, "n2") != NULL);
    cr_assert(eq(int, keyring_judge(ring, KEYRING_LINKS, node.curve_public), KEYRING_ADMITTED));
    keyring_close(ring);
    cr_assert(eq(int, keyring_open(folder.path, &ring, &error), TR_EDATA));
    folder_remove(&folder);
}

Test(keyring, a_folder_that_is_not_there_holds_no_keys) {
    struct keyring *ring = NULL;
    cr_assert(eq(int, keyring_open("/tmp/troupe-no-such-folder", &ring, NULL), TR_OK));
    uint8_t key[KEYS_BYTES] = {1};
    cr_assert(eq(int, keyring_judge(ring, KEYRING_LINKS, key), KEYRING_UNKNOWN));
    keyring_close(ring);
}
