#define _GNU_SOURCE /* memmem */
/*
 * manifest_test.c - signed bytes, votes from peers, and I8 over the links.
 */
#include "node/manifest.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/part_map.h"
#include "node/snapshot_sample_test.h"

TestSuite(manifest, .timeout = 60);

static const uint8_t seed[SIGN_SEED_BYTES] = {1, 2, 3};

/* Two votes and the links between them. */
static void make_votes(snapshot_part votes[2]) {
    for (unsigned i = 0; i < 2; i++) {
        part_header header = {.incarnation = 5 + i, .ordinal = i, .space = sample_space(i + 1)};
        snprintf(header.node, sizeof header.node, "n%u", i + 1);
        part_summary summary = {.bytes = 1000 + i, .actors = 2, .messages = 3};
        memset(summary.tail_digest, 0x55 + (int)i, sizeof summary.tail_digest);
        manifest_vote(&header, &summary, &votes[i]);
    }
}

static tr_status make_manifest(const snapshot_part votes[2], const snapshot_link links[2],
                               struct manifest **manifest_out, tr_error *error) {
    snapshot_result result = {.cut = {0x20000, "n1", "s1-n1"},
                              .duration_ns = 7999999,
                              .parts = votes,
                              .parts_count = 2,
                              .links = links,
                              .links_count = 2};
    return manifest_from_result(&result, "troupe", 11, 22, manifest_out, error);
}

static const snapshot_link sound_links[2] = {{"n1", "n2", 5, 4, 1}, {"n2", "n1", 9, 9, 0}};

static struct manifest *sound_manifest(void) {
    snapshot_part votes[2];
    struct manifest *manifest = NULL;
    make_votes(votes);
    cr_assert_eq(make_manifest(votes, sound_links, &manifest, NULL), TR_OK);
    return manifest;
}

Test(manifest, what_is_encoded_is_decoded) {
    struct manifest *made = sound_manifest();
    struct manifest *read = NULL;
    struct buffer bytes = {0};
    uint8_t key[SIGN_PUBLIC_BYTES];
    tr_error error = {0};
    manifest_encode(made, seed, &bytes);
    cr_assert_eq(manifest_decode(bytes.data, bytes.bytes, "m", &read, &error), TR_OK, "%s",
                 error.message);
    cr_assert_str_eq(read->id, "s1-n1");
    cr_assert_str_eq(read->cluster, "troupe");
    cr_assert_str_eq(read->initiator, "n1");
    cr_assert(read->epoch == 0x20000 && read->started_ms == 11 && read->committed_ms == 22);
    cr_assert_eq(read->duration_ms, 7);
    cr_assert_eq(read->member_count, 2);
    cr_assert_str_eq(read->members[1].file, "n2.part");
    cr_assert(read->members[1].incarnation == 6 && read->members[1].ordinal == 1);
    cr_assert(read->members[1].space == sample_space(2) && read->members[1].bytes == 1001);
    cr_assert_eq(memcmp(read->members, made->members, 2 * sizeof read->members[0]), 0);
    cr_assert_eq(read->link_count, 2);
    cr_assert_eq(memcmp(read->links, made->links, 2 * sizeof read->links[0]), 0);
    digest_sign_public(seed, key);
    cr_assert_eq(memcmp(read->key, key, sizeof key), 0);
    tr_snapshot_info info;
    manifest_info(read, &info);
    cr_assert(info.consistent && info.nodes == 2 && info.actors == 4 && info.in_flight == 6);
    cr_assert(info.bytes == 2001 && info.duration_ms == 7 && strcmp(info.id, "s1-n1") == 0);
    manifest_free(made);
    manifest_free(read);
    buffer_fini(&bytes);
}

/* A copy of exactly that size, so that a sanitizer sees a read past the end. */
static tr_status decode_copy(const uint8_t *data, size_t bytes, tr_error *error) {
    struct manifest *read = NULL;
    uint8_t *copy = mem_dup(data, bytes);
    tr_status status = manifest_decode(copy, bytes, "/d/manifest", &read, error);
    manifest_free(read);
    mem_free(copy);
    return status;
}

Test(manifest, every_flipped_byte_is_detected) {
    struct manifest *made = sound_manifest();
    struct buffer bytes = {0};
    manifest_encode(made, seed, &bytes);
    for (size_t at = 0; at < bytes.bytes; at++) {
        for (int bit = 0; bit < 8; bit++) {
            tr_error error = {0};
            bytes.data[at] ^= (uint8_t)(1 << bit);
            cr_assert_eq(decode_copy(bytes.data, bytes.bytes, &error), TR_EDATA, "%zu", at);
            cr_assert(strncmp(error.message, "/d/manifest, byte ", 18) == 0);
            bytes.data[at] ^= (uint8_t)(1 << bit);
        }
    }
    cr_assert_eq(decode_copy(bytes.data, bytes.bytes, NULL), TR_OK);
    manifest_free(made);
    buffer_fini(&bytes);
}

Test(manifest, every_truncation_and_every_extension_is_detected) {
    struct manifest *made = sound_manifest();
    struct buffer bytes = {0};
    manifest_encode(made, seed, &bytes);
    for (size_t count = 0; count < bytes.bytes; count++) {
        cr_assert_eq(decode_copy(bytes.data, count, NULL), TR_EDATA, "%zu", count);
    }
    buffer_append_byte(&bytes, 0xc0);
    cr_assert_eq(decode_copy(bytes.data, bytes.bytes, NULL), TR_EDATA);
    manifest_free(made);
    buffer_fini(&bytes);
}

/* Who owns some key can sign anything; the form is checked all the same (I5). */
static tr_status decode_signed(const char *items, size_t bytes, tr_error *error) {
    struct buffer file = {0};
    uint8_t key[SIGN_PUBLIC_BYTES];
    uint8_t signature[SIGNATURE_BYTES];
    buffer_append(&file, items, bytes);
    digest_sign(seed, file.data, file.bytes, signature);
    digest_sign_public(seed, key);
    buffer_append(&file, "\x93\xa9signature\xc4\x20", 13);
    buffer_append(&file, key, sizeof key);
    buffer_append(&file, "\xc4\x40", 2);
    buffer_append(&file, signature, sizeof signature);
    tr_status status = decode_copy(file.data, file.bytes, error);
    buffer_fini(&file);
    return status;
}

/* With a good signature over it, every flip must still be refused or harmless, never crash. */
Test(manifest, signed_nonsense_is_refused_without_harm) {
    struct manifest *made = sound_manifest();
    struct buffer bytes = {0};
    manifest_encode(made, seed, &bytes);
    size_t items = bytes.bytes - 111;
    tr_error error = {0};
    cr_assert_eq(decode_signed((char *)bytes.data, items, &error), TR_OK, "%s", error.message);
    for (size_t at = 0; at < items; at++) {
        uint8_t kept = bytes.data[at];
        const uint8_t tries[] = {0xc0, 0xdd, 0xff, (uint8_t)(kept ^ 1)};
        for (size_t i = 0; i < sizeof tries; i++) {
            bytes.data[at] = tries[i];
            tr_status status = decode_signed((char *)bytes.data, items, &error);
            cr_assert(status == TR_OK || status == TR_EDATA);
        }
        bytes.data[at] = kept;
        cr_assert_eq(decode_signed((char *)bytes.data, at, &error), TR_EDATA);
    }
    cr_assert_eq(decode_signed("\xc0", 1, &error), TR_EDATA);
    manifest_free(made);
    buffer_fini(&bytes);
}

/* A snapshot outlives the program that took it. */
Test(manifest, the_first_version_is_read_and_a_later_one_refused) {
    static const char field[] = "\xa7version";
    struct manifest *made = sound_manifest();
    struct buffer bytes = {0};
    tr_error error = {0};
    manifest_encode(made, seed, &bytes);
    uint8_t *version = memmem(bytes.data, bytes.bytes, field, sizeof field - 1);
    cr_assert_not_null(version);
    version += sizeof field - 1;
    cr_assert_eq(*version, MANIFEST_VERSION);
    *version = 1;
    cr_assert_eq(decode_signed((char *)bytes.data, bytes.bytes - 111, &error), TR_OK, "%s",
                 error.message);
    *version = MANIFEST_VERSION + 1;
    cr_assert_eq(decode_signed((char *)bytes.data, bytes.bytes - 111, &error), TR_EDATA);
    cr_assert(strstr(error.message, "version 3") != NULL, "%s", error.message);
    manifest_free(made);
    buffer_fini(&bytes);
}

Test(manifest, a_vote_with_a_blob_of_another_kind_is_refused_by_name) {
    snapshot_part votes[2];
    struct manifest *manifest = NULL;
    tr_error error = {0};
    make_votes(votes);
    uint32_t whole = votes[1].digest_bytes;
    for (uint32_t bytes = 0; bytes < whole; bytes++) {
        votes[1].digest_bytes = bytes;
        cr_assert_eq(make_manifest(votes, sound_links, &manifest, &error), TR_EDATA);
        cr_assert(strstr(error.message, "n2") != NULL);
    }
    votes[1].digest_bytes = whole + 1;
    cr_assert_eq(make_manifest(votes, sound_links, &manifest, &error), TR_EDATA);
    votes[1].digest_bytes = whole;
    cr_assert_eq(make_manifest(votes, sound_links, &manifest, &error), TR_OK);
    manifest_free(manifest);
}

/* I8, and that no link is left out. */
Test(manifest, links_that_do_not_add_up_or_do_not_cover_all_pairs_are_refused) {
    const struct {
        snapshot_link links[2];
        const char *words;
    } cases[] = {
        {{{"n1", "n2", 5, 4, 0}, {"n2", "n1", 0, 0, 0}}, "sent 5"},
        {{{"n1", "n2", 5, 6, 0}, {"n2", "n1", 0, 0, 0}}, "received 6"},
        {{{"n1", "n2", 5, 6, UINT64_MAX}, {"n2", "n1", 0, 0, 0}}, "received 6"},
        {{{"n1", "n2", 5, 5, 0}, {"n1", "n2", 5, 5, 0}}, "there twice"},
        {{{"n1", "n2", 5, 5, 0}, {"n2", "n2", 5, 5, 0}}, "no link"},
        {{{"n1", "n2", 5, 5, 0}, {"n3", "n1", 5, 5, 0}}, "no link"},
    };
    snapshot_part votes[2];
    make_votes(votes);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct manifest *manifest = NULL;
        tr_error error = {0};
        cr_assert_eq(make_manifest(votes, cases[i].links, &manifest, &error), TR_ECHECK, "%zu", i);
        cr_assert(strstr(error.message, cases[i].words) != NULL, "%s", error.message);
    }
    struct manifest *manifest = sound_manifest();
    manifest->link_count = 1;
    cr_assert_eq(manifest_check_links(manifest, NULL), TR_ECHECK);
    manifest_free(manifest);
}

Test(manifest, pids_are_written_as_people_read_them) {
    struct manifest *manifest = sound_manifest();
    char text[TR_PID_TEXT_MAX];
    cr_assert_str_eq(manifest_pid_text(manifest, sample_pid(1, 17), text, sizeof text), "n1/17.1");
    cr_assert_str_eq(manifest_pid_text(manifest, sample_pid(2, 3), text, sizeof text), "n2:1/3.1");
    cr_assert_str_eq(manifest_pid_text(manifest, (tr_pid){0}, text, sizeof text), "-");
    cr_assert_str_eq(manifest_pid_text(manifest, (tr_pid){0xab, 1, 2}, text, sizeof text),
                     "00000000000000ab/1.2");
    manifest_free(manifest);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void note(void *context, tr_status status, const tr_error *error) {
    cr_assert_eq(status == TR_OK, error == NULL);
    *(tr_status *)context = status;
}

/* Two nodes with one folder: the copy of the second must not put the first's at risk. */
Test(manifest, a_copy_of_the_same_bytes_leaves_the_file_alone_even_when_the_disk_fails) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    cr_assert(sample_take(&sample, "s1-n1", 0x20000));
    size_t bytes = 0;
    const uint8_t *there = storage_memory_peek(sample.memory, "/s/s1-n1/manifest", &bytes);
    uint8_t *copy = mem_dup(there, bytes);
    tr_status status = TR_EINTERNAL;
    uint64_t before = storage_memory_calls(sample.memory);
    manifest_write(sample.storage, "/s", "s1-n1", "n2", copy, bytes, note, &status);
    sample_run(&sample);
    cr_assert_eq(status, TR_OK);
    cr_assert_eq(storage_memory_calls(sample.memory), before, "nothing was written");
    /* Into a folder of its own it is written. */
    manifest_write(sample.storage, "/other", "s1-n1", "n2", copy, bytes, note, &status);
    sample_run(&sample);
    cr_assert_eq(status, TR_OK);
    struct manifest *read = NULL;
    cr_assert_eq(manifest_load(&sample.files, "/other/s1-n1/manifest", &read, NULL), TR_OK);
    manifest_free(read);
    mem_free(copy);
    sample_fini(&sample);
}

Test(manifest, a_write_that_never_ran_is_told_as_closed) {
    struct sample sample;
    tr_status status = TR_OK;
    sample_init(&sample, NULL, "/s");
    manifest_write(sample.storage, "/s", "s1-n1", "n2", "x", 1, note, &status);
    sample_fini(&sample);
    cr_assert_eq(status, TR_ECLOSED);
}
