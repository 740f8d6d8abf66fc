/*
 * snapshot_store_test.c - finding snapshots, and taking away what is none.
 */
#include "node/snapshot_store.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "node/base/memory.h"
#include "node/snapshot_sample_test.h"

TestSuite(snapshot_store, .timeout = 60);

static const char *const directories[] = {"/s", NULL};

static bool exists(const struct sample *sample, const char *path) {
    storage_stat stat;
    return sample->files.ops->stat(sample->files.context, path, &stat) == 0;
}

Test(snapshot_store, ids_are_safe_as_folder_names) {
    const char *good[] = {"s000017-n1", "a", "A.b_c-9"};
    const char *bad[] = {
        "",         ".",
        "..",       ".x",
        "a/b",      "a b",
        "\xc3\xa9", "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) cr_assert(snapshot_id_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_not(snapshot_id_valid(bad[i]), "%s", bad[i]);
    }
}

Test(snapshot_store, a_list_has_the_newest_first_and_the_damaged_last) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    cr_assert(sample_take(&sample, "s1-n1", 0x10000));
    cr_assert(sample_take(&sample, "s3-n1", 0x30000));
    cr_assert(sample_take(&sample, "s2-n1", 0x20000));
    cr_assert(sample_take(&sample, "s9-n1", 0x90000));
    size_t bytes;
    storage_memory_peek(sample.memory, "/s/s9-n1/manifest", &bytes)[5] ^= 1;
    sample_write_part(&sample, 1, "s4-n1", 0x40000); /* no manifest: no snapshot */
    storage_memory_put(sample.memory, "/s/notes.txt", "x", 1);
    snapshot_list list;
    cr_assert_eq(snapshot_store_list(&sample.files, directories, &list, NULL), TR_OK);
    cr_assert_eq(list.count, 4);
    cr_assert_str_eq(list.entries[0].id, "s3-n1");
    cr_assert_str_eq(list.entries[1].id, "s2-n1");
    cr_assert_str_eq(list.entries[2].id, "s1-n1");
    cr_assert_str_eq(list.entries[3].id, "s9-n1");
    cr_assert_eq(list.entries[0].manifest->epoch, 0x30000);
    cr_assert_eq(list.entries[3].status, TR_EDATA);
    cr_assert_null(list.entries[3].manifest);
    snapshot_list_fini(&list);
    sample_fini(&sample);
}

Test(snapshot_store, no_directory_is_an_empty_list) {
    struct sample sample;
    snapshot_list list;
    sample_init(&sample, NULL, "/s");
    cr_assert_eq(snapshot_store_list(&sample.files, directories, &list, NULL), TR_OK);
    cr_assert_eq(list.count, 0);
    snapshot_list_fini(&list);
    sample_fini(&sample);
}

Test(snapshot_store, an_unknown_id_is_refused_with_the_newest_as_a_hint) {
    struct sample sample;
    struct manifest *manifest = NULL;
    tr_error error = {0};
    sample_init(&sample, NULL, "/s");
    cr_assert_eq(snapshot_store_load(&sample.files, directories, "s7", &manifest, &error),
                 TR_ENOENT);
    cr_assert(strstr(error.hint, "create") != NULL);
    cr_assert(sample_take(&sample, "s1-n1", 0x10000));
    cr_assert_eq(snapshot_store_load(&sample.files, directories, "s7", &manifest, &error),
                 TR_ENOENT);
    cr_assert(strstr(error.message, "s7") != NULL && strstr(error.hint, "s1-n1") != NULL);
    cr_assert_eq(snapshot_store_load(&sample.files, directories, "../s", &manifest, &error),
                 TR_EINVAL);
    cr_assert_null(manifest);
    sample_fini(&sample);
}

/* A folder that was renamed, or copied over another, is not taken for what its name says. */
Test(snapshot_store, a_manifest_in_the_wrong_folder_is_refused) {
    struct sample sample;
    struct manifest *manifest = NULL;
    tr_error error = {0};
    sample_init(&sample, NULL, "/s");
    cr_assert(sample_take(&sample, "s1-n1", 0x10000));
    cr_assert_eq(sample.files.ops->rename(sample.files.context, "/s/s1-n1", "/s/s2-n1"), 0);
    cr_assert_eq(snapshot_store_load(&sample.files, directories, "s2-n1", &manifest, &error),
                 TR_EDATA);
    cr_assert(strstr(error.message, "s1-n1") != NULL);
    sample_fini(&sample);
}

Test(snapshot_store, parts_are_found_in_the_first_directory_that_has_them) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    cr_assert(sample_take(&sample, "s1-n1", 0x10000));
    cr_assert_eq(storage_make_directories(&sample.files, "/two/s1-n1", NULL), TR_OK);
    cr_assert_eq(
        sample.files.ops->rename(sample.files.context, "/s/s1-n1/n2.part", "/two/s1-n1/n2.part"),
        0);
    const char *const both[] = {"/none", "/s", "/two", NULL};
    struct manifest *manifest = NULL;
    char *path = NULL;
    cr_assert_eq(snapshot_store_load(&sample.files, both, "s1-n1", &manifest, NULL), TR_OK);
    const manifest_member *member = manifest_member_named(manifest, "n2");
    cr_assert_eq(snapshot_store_find_part(&sample.files, both, manifest, member, &path, NULL),
                 TR_OK);
    cr_assert_str_eq(path, "/two/s1-n1/n2.part");
    mem_free(path);
    tr_error error = {0};
    cr_assert_eq(
        snapshot_store_find_part(&sample.files, directories, manifest, member, &path, &error),
        TR_EDATA);
    cr_assert(strstr(error.message, "n2.part") != NULL);
    manifest_free(manifest);
    sample_fini(&sample);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

struct claims {
    unsigned asked;
    const char *keep; /* this id */
};

static bool claim(void *context, const part_header *header) {
    struct claims *claims = context;
    claims->asked++;
    cr_assert_str_eq(header->node, "n1");
    cr_assert_str_eq(header->initiator, "n1");
    return strcmp(header->snapshot, claims->keep) == 0;
}

Test(snapshot_store, a_sweep_takes_this_node_s_leftovers_and_nothing_else) {
    struct sample sample;
    struct claims claims = {0, "s3-n1"};
    size_t removed = 0;
    sample_init(&sample, NULL, "/s");
    cr_assert(sample_take(&sample, "s1-n1", 0x10000));
    sample_write_part(&sample, 1, "s2-n1", 0x20000); /* never committed */
    sample_write_part(&sample, 1, "s3-n1", 0x30000); /* voted for */
    sample_write_part(&sample, 1, "s4-n1", 0x40000); /* and n2's, which is not ours to remove */
    sample_write_part(&sample, 2, "s4-n1", 0x40000);
    cr_assert_eq(storage_make_directories(&sample.files, "/s/s5-n1", NULL), TR_OK);
    storage_memory_put(sample.memory, "/s/s5-n1/n1.part.tmp", "x", 1);
    storage_memory_put(sample.memory, "/s/s5-n1/manifest.n1.tmp", "x", 1);
    storage_memory_put(sample.memory, "/s/s1-n1/manifest.n1.tmp", "x", 1);
    storage_memory_put(sample.memory, "/s/s1-n1/n2.part.tmp", "x", 1);
    storage_memory_put(sample.memory, "/s/keep.txt", "x", 1);
    cr_assert_eq(snapshot_store_sweep(&sample.files, "/s", "n1", claim, &claims, &removed, NULL),
                 TR_OK);
    storage_memory_crash(sample.memory, STORAGE_CRASH_LOSES); /* the sweep is durable */
    cr_assert_eq(removed, 5);
    cr_assert_eq(claims.asked, 3);
    cr_assert(exists(&sample, "/s/s1-n1/manifest") && exists(&sample, "/s/s1-n1/n1.part"));
    cr_assert(exists(&sample, "/s/s1-n1/n2.part.tmp") && exists(&sample, "/s/keep.txt"));
    cr_assert_not(exists(&sample, "/s/s1-n1/manifest.n1.tmp"));
    cr_assert_not(exists(&sample, "/s/s2-n1"));
    cr_assert(exists(&sample, "/s/s3-n1/n1.part"));
    cr_assert_not(exists(&sample, "/s/s4-n1/n1.part"));
    cr_assert(exists(&sample, "/s/s4-n1/n2.part"));
    cr_assert_not(exists(&sample, "/s/s5-n1"));
    sample_fini(&sample);
}

Test(snapshot_store, a_sweep_does_not_ask_about_parts_that_are_damaged) {
    struct sample sample;
    struct claims claims = {0, "s3-n1"};
    sample_init(&sample, NULL, "/s");
    sample_write_part(&sample, 1, "s3-n1", 0x30000);
    size_t bytes;
    storage_memory_peek(sample.memory, "/s/s3-n1/n1.part", &bytes)[20] ^= 1;
    cr_assert_eq(snapshot_store_sweep(&sample.files, "/s", "n1", claim, &claims, NULL, NULL),
                 TR_OK);
    cr_assert_eq(claims.asked, 0);
    cr_assert_not(exists(&sample, "/s/s3-n1"));
    sample_fini(&sample);
}

Test(snapshot_store, a_sweep_tells_the_first_failure_and_goes_on) {
    struct sample sample;
    tr_error error = {0};
    sample_init(&sample, NULL, "/s");
    sample_write_part(&sample, 1, "s2-n1", 0x20000);
    sample_write_part(&sample, 1, "s3-n1", 0x30000);
    storage_memory_fail(sample.memory, 1, EIO);
    cr_assert_eq(snapshot_store_sweep(&sample.files, "/s", "n1", NULL, NULL, NULL, &error), TR_EIO);
    cr_assert(strstr(error.message, "s2-n1") != NULL, "%s", error.message);
    cr_assert(exists(&sample, "/s/s2-n1/n1.part"));
    cr_assert_not(exists(&sample, "/s/s3-n1"));
    sample_fini(&sample);
}

/* ---- one snapshot ---------------------------------------------------------------------------- */

Test(snapshot_store, the_parts_of_a_committed_snapshot_are_not_discarded) {
    struct sample sample;
    tr_error error = {0};
    sample_init(&sample, NULL, "/s");
    cr_assert(sample_take(&sample, "s1-n1", 0x10000));
    cr_assert_eq(snapshot_store_discard(&sample.files, "/s", "s1-n1", "n1", &error), TR_EEXIST);
    cr_assert(exists(&sample, "/s/s1-n1/n1.part"));
    sample_write_part(&sample, 1, "s2-n1", 0x20000);
    cr_assert_eq(snapshot_store_discard(&sample.files, "/s", "s2-n1", "n1", &error), TR_OK);
    cr_assert_not(exists(&sample, "/s/s2-n1"));
    cr_assert_eq(snapshot_store_discard(&sample.files, "/s", "s2-n1", "n1", &error), TR_OK);
    sample_fini(&sample);
}

/* At every crash what is left is the whole snapshot or, to every reader, none. */
Test(snapshot_store, a_removal_cut_off_anywhere_leaves_no_half_snapshot) {
    for (uint64_t call = 1; call <= 8; call++) {
        for (int crash = STORAGE_CRASH_LOSES; crash <= STORAGE_CRASH_KEEPS; crash++) {
            struct sample sample;
            sample_init(&sample, NULL, "/s");
            cr_assert(sample_take(&sample, "s1-n1", 0x10000));
            storage_memory_halt(sample.memory, call);
            tr_status status = snapshot_store_remove(&sample.files, "/s", "s1-n1", NULL);
            storage_memory_crash(sample.memory, (storage_crash)crash);
            bool complete =
                exists(&sample, "/s/s1-n1/n1.part") && exists(&sample, "/s/s1-n1/n2.part");
            if (exists(&sample, "/s/s1-n1/manifest")) cr_assert(complete, "call %d", (int)call);
            if (status == TR_OK) cr_assert_not(exists(&sample, "/s/s1-n1"));
            sample_fini(&sample);
        }
    }
}

Test(snapshot_store, removing_what_is_not_there_is_refused) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    cr_assert_eq(snapshot_store_remove(&sample.files, "/s", "s1-n1", NULL), TR_ENOENT);
    cr_assert_eq(snapshot_store_remove(&sample.files, "/s", "..", NULL), TR_EINVAL);
    sample_fini(&sample);
}

struct found {
    unsigned told;
    tr_status status;
    size_t bytes;
};

static void note_found(void *context, tr_status status, const uint8_t *manifest, size_t bytes,
                       const tr_error *error) {
    struct found *found = context;
    cr_assert_eq(status == TR_OK, manifest != NULL);
    cr_assert_eq(status != TR_OK, error != NULL);
    *found = (struct found){found->told + 1, status, bytes};
}

Test(snapshot_store, looking_for_a_manifest_tells_its_bytes_or_why_not) {
    struct sample sample;
    struct found found = {0};
    size_t bytes;
    sample_init(&sample, NULL, "/s");
    cr_assert(sample_take(&sample, "s1-n1", 0x10000));
    snapshot_store_submit_find(sample.storage, "/s", "s1-n1", note_found, &found);
    sample_run(&sample);
    uint8_t *data = storage_memory_peek(sample.memory, "/s/s1-n1/manifest", &bytes);
    cr_assert(found.told == 1 && found.status == TR_OK && found.bytes == bytes);
    snapshot_store_submit_find(sample.storage, "/s", "s2-n1", note_found, &found);
    sample_run(&sample);
    cr_assert(found.told == 2 && found.status == TR_ENOENT);
    data[9] ^= 1;
    snapshot_store_submit_find(sample.storage, "/s", "s1-n1", note_found, &found);
    sample_run(&sample);
    cr_assert(found.told == 3 && found.status == TR_EDATA);
    snapshot_store_submit_find(sample.storage, "/s", "s1-n1", note_found, &found);
    sample_fini(&sample);
    cr_assert(found.told == 4 && found.status == TR_ECLOSED);
}
