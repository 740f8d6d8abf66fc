/*
 * snapshot_verify_test.c - a sound snapshot passes; nothing else does, and the words say where.
 */
#include "node/snapshot_verify.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "node/base/memory.h"
#include "node/snapshot_sample_test.h"

TestSuite(snapshot_verify, .timeout = 120);

static const char *const directories[] = {"/s", NULL};

static tr_status verify(const struct sample *sample, tr_error *error) {
    return snapshot_verify(&sample->files, directories, "s1-n1", NULL, NULL, error);
}

Test(snapshot_verify, a_sound_snapshot_of_three_nodes_passes_with_its_numbers) {
    struct sample sample;
    struct manifest *manifest = NULL;
    tr_error error = {0};
    sample_init(&sample, NULL, "/s");
    sample.nodes = 3;
    sample.rich = true;
    cr_assert(sample_take(&sample, "s1-n1", 0x20000));
    cr_assert_eq(snapshot_verify(&sample.files, directories, "s1-n1", NULL, &manifest, &error),
                 TR_OK, "%s", error.message);
    cr_assert_eq(manifest_actors(manifest), 7);
    cr_assert_eq(manifest_messages(manifest), 9);
    cr_assert_eq(manifest->link_count, 6);
    manifest_free(manifest);
    sample_fini(&sample);
}

Test(snapshot_verify, one_node_alone_passes) {
    struct sample sample;
    tr_error error = {0};
    sample_init(&sample, NULL, "/s");
    sample.nodes = 1;
    cr_assert(sample_take(&sample, "s1-n1", 0x20000));
    cr_assert_eq(verify(&sample, &error), TR_OK, "%s", error.message);
    sample_fini(&sample);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static const char *const files_of_snapshot[] = {"/s/s1-n1/manifest", "/s/s1-n1/n1.part",
                                                "/s/s1-n1/n2.part"};

Test(snapshot_verify, every_flipped_byte_of_every_file_is_detected_and_the_file_named) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    sample.rich = true;
    cr_assert(sample_take(&sample, "s1-n1", 0x20000));
    for (size_t f = 0; f < 3; f++) {
        size_t bytes = 0;
        uint8_t *data = storage_memory_peek(sample.memory, files_of_snapshot[f], &bytes);
        for (size_t at = 0; at < bytes; at++) {
            const uint8_t masks[] = {0x01, 0x80, 0xff};
            for (size_t i = 0; i < sizeof masks; i++) {
                tr_error error = {0};
                data[at] ^= masks[i];
                cr_assert_eq(verify(&sample, &error), TR_EDATA, "%s byte %zu", files_of_snapshot[f],
                             at);
                cr_assert(strstr(error.message, files_of_snapshot[f]) != NULL, "%s", error.message);
                data[at] ^= masks[i];
            }
        }
    }
    cr_assert_eq(verify(&sample, NULL), TR_OK);
    sample_fini(&sample);
}

Test(snapshot_verify, every_truncation_and_an_extension_of_every_file_is_detected) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    cr_assert(sample_take(&sample, "s1-n1", 0x20000));
    for (size_t f = 0; f < 3; f++) {
        size_t bytes = 0;
        const uint8_t *data = storage_memory_peek(sample.memory, files_of_snapshot[f], &bytes);
        uint8_t *whole = mem_alloc(bytes + 1);
        memcpy(whole, data, bytes);
        whole[bytes] = 0;
        for (size_t count = 0; count <= bytes + 1; count++) {
            tr_error error = {0};
            storage_memory_put(sample.memory, files_of_snapshot[f], whole, count);
            tr_status expected = count == bytes ? TR_OK : TR_EDATA;
            cr_assert_eq(verify(&sample, &error), expected, "%s cut to %zu", files_of_snapshot[f],
                         count);
            if (expected == TR_EDATA) {
                cr_assert(strstr(error.message, files_of_snapshot[f]) != NULL, "%s", error.message);
            }
        }
        storage_memory_put(sample.memory, files_of_snapshot[f], whole, bytes);
        mem_free(whole);
    }
    sample_fini(&sample);
}

Test(snapshot_verify, a_missing_part_and_the_part_of_another_snapshot_are_detected) {
    struct sample sample;
    tr_error error = {0};
    sample_init(&sample, NULL, "/s");
    cr_assert(sample_take(&sample, "s1-n1", 0x20000));
    cr_assert(sample_take(&sample, "s2-n1", 0x30000));
    size_t bytes = 0;
    const uint8_t *data = storage_memory_peek(sample.memory, "/s/s2-n1/n2.part", &bytes);
    uint8_t *other = mem_dup(data, bytes);
    storage_memory_put(sample.memory, "/s/s1-n1/n2.part", other, bytes);
    cr_assert_eq(verify(&sample, &error), TR_EDATA);
    cr_assert_eq(sample.files.ops->unlink(sample.files.context, "/s/s1-n1/n2.part"), 0);
    cr_assert_eq(verify(&sample, &error), TR_EDATA);
    cr_assert(strstr(error.message, "n2.part") != NULL);
    mem_free(other);
    sample_fini(&sample);
}

static bool key_of_n1(void *context, const char *name, uint8_t key_out[SIGN_PUBLIC_BYTES]) {
    if (strcmp(name, "n1") != 0) return false;
    memcpy(key_out, context, SIGN_PUBLIC_BYTES);
    return true;
}

/* Anyone can make a manifest that is consistent in itself; only n1 can sign as n1. */
Test(snapshot_verify, a_manifest_signed_with_another_key_than_the_initiator_s_is_refused) {
    struct sample sample;
    uint8_t key[SIGN_PUBLIC_BYTES];
    tr_error error = {0};
    snapshot_verify_options options = {key_of_n1, key};
    sample_init(&sample, NULL, "/s");
    cr_assert(sample_take(&sample, "s1-n1", 0x20000));
    digest_sign_public(sample.seed, key);
    cr_assert_eq(snapshot_verify(&sample.files, directories, "s1-n1", &options, NULL, &error),
                 TR_OK);
    key[3] ^= 1;
    cr_assert_eq(snapshot_verify(&sample.files, directories, "s1-n1", &options, NULL, &error),
                 TR_EDATA);
    cr_assert(strstr(error.message, "n1") != NULL);
    sample_fini(&sample);
}

/* Digests and trailer are themselves checked before they are believed. */
Test(snapshot_verify, damage_in_the_tail_is_told_as_such) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    cr_assert(sample_take(&sample, "s1-n1", 0x20000));
    size_t bytes = 0;
    uint8_t *data = storage_memory_peek(sample.memory, "/s/s1-n1/n1.part", &bytes);
    const size_t tail = 14 + DIGEST_BYTES + PART_TRAILER_BYTES;
    for (size_t at = bytes - tail - 1; at < bytes; at++) {
        tr_error error = {0};
        data[at] ^= 1;
        cr_assert_eq(verify(&sample, &error), TR_EDATA);
        bool told = strstr(error.message, "the end of the file differs") != NULL;
        cr_assert_eq(told, at >= bytes - tail, "%zu: %s", at, error.message);
        data[at] ^= 1;
    }
    sample_fini(&sample);
}

/* ---- contradictions -------------------------------------------------------------------------- */

Test(snapshot_verify,
     well_formed_files_that_contradict_each_other_are_refused_with_what_and_where) {
    const struct {
        enum sample_fault fault;
        tr_status status;
        const char *words;
    } cases[] = {
        {SAMPLE_ACTOR_TWICE, TR_ECHECK, "actor n1/1.1 is there twice"},
        {SAMPLE_MESSAGE_TWICE, TR_ECHECK, "a message from n1/1.1, its id 50 is there twice"},
        {SAMPLE_ORDER_TWICE, TR_ECHECK, "n1.part: a message for n1/1.1, order 1 is there twice"},
        {SAMPLE_ACTOR_OF_THE_FUTURE, TR_ECHECK, "had turned before"},
        {SAMPLE_MESSAGE_OF_THE_FUTURE, TR_ECHECK, "sent after the cut"},
        {SAMPLE_MESSAGE_UNCOUNTED, TR_ECHECK, "link n2 to n1: the number of messages from it is 2"},
        {SAMPLE_SENT_DIFFERS, TR_ECHECK, "link n1 to n2: sent is 6, by the manifest 5"},
        {SAMPLE_RECEIVED_DIFFERS, TR_ECHECK, "link n2 to n1: received is 5, by the manifest 4"},
        {SAMPLE_RECORDED_DIFFERS, TR_ECHECK, "link n2 to n1: recorded is 2, by the manifest 1"},
        {SAMPLE_SESSION_DIFFERS, TR_ECHECK, "session"},
        {SAMPLE_LINK_MISSING, TR_ECHECK, "n1.part: 0 links for 2 members"},
        {SAMPLE_LINK_OF_NOBODY, TR_ECHECK, "a link that does not exist"},
        {SAMPLE_FOREIGN_ACTOR, TR_ECHECK, "another node's space"},
        {SAMPLE_FOREIGN_TARGET, TR_ECHECK, "for another node's actor"},
        {SAMPLE_OUT_OF_ORDER, TR_ECHECK, "from n1/2.1 to n1/1.1: message 81 stands before 80"},
        {SAMPLE_BODY_MALFORMED, TR_EDATA, "n1.part, byte"},
        {SAMPLE_RECORD_UNKNOWN, TR_EDATA, "state: no record 77"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sample sample;
        tr_error error = {0};
        sample_init(&sample, NULL, "/s");
        sample.fault = cases[i].fault;
        cr_assert(sample_take(&sample, "s1-n1", 0x20000));
        cr_assert_eq(verify(&sample, &error), cases[i].status, "case %zu: %s", i, error.message);
        cr_assert(strstr(error.message, cases[i].words) != NULL, "case %zu: %s", i, error.message);
        cr_assert_eq(error.status, cases[i].status);
        sample_fini(&sample);
    }
}

/* ---- while it is taken ----------------------------------------------------------------------- */

/* True when every snapshot that a reader can see verifies. */
static bool only_sound_ones(struct sample *sample, size_t *count_out) {
    snapshot_list list;
    bool sound = snapshot_store_list(&sample->files, directories, &list, NULL) == TR_OK;
    *count_out = sound ? list.count : 0;
    for (size_t i = 0; i < *count_out; i++) {
        sound = sound && snapshot_verify(&sample->files, directories, list.entries[i].id, NULL,
                                         NULL, NULL) == TR_OK;
    }
    if (sound || *count_out > 0) snapshot_list_fini(&list);
    return sound;
}

Test(snapshot_verify, each_call_failing_once_while_a_snapshot_is_taken_leaves_a_sound_one_or_none) {
    const int errors[] = {EIO, ENOSPC};
    for (size_t e = 0; e < 2; e++) {
        unsigned taken = 0, aborted = 0;
        for (uint64_t call = 1; call <= 48; call++) {
            struct sample sample;
            size_t count;
            sample_init(&sample, NULL, "/s");
            storage_memory_fail(sample.memory, call, errors[e]);
            bool done = sample_take(&sample, "s1-n1", 0x20000);
            cr_assert(only_sound_ones(&sample, &count), "call %d", (int)call);
            cr_assert_eq(count, done, "call %d", (int)call);
            taken += done;
            aborted += !done;
            sample_fini(&sample);
        }
        cr_assert(taken > 0 && aborted > 20, "%u, %u", taken, aborted);
    }
}

Test(snapshot_verify, a_crash_between_any_two_calls_leaves_a_sound_snapshot_or_none) {
    for (int crash = STORAGE_CRASH_LOSES; crash <= STORAGE_CRASH_EMPTIES; crash++) {
        unsigned there = 0, absent = 0;
        for (uint64_t call = 1; call <= 48; call++) {
            struct sample sample;
            size_t count;
            sample_init(&sample, NULL, "/s");
            storage_memory_halt(sample.memory, call);
            bool done = sample_take(&sample, "s1-n1", 0x20000);
            storage_memory_crash(sample.memory, (storage_crash)crash);
            cr_assert(only_sound_ones(&sample, &count), "call %d", (int)call);
            if (done) cr_assert_eq(count, 1, "durable means durable");
            cr_assert_eq(snapshot_store_sweep(&sample.files, "/s", "n1", NULL, NULL, NULL, NULL),
                         TR_OK);
            cr_assert_eq(snapshot_store_sweep(&sample.files, "/s", "n2", NULL, NULL, NULL, NULL),
                         TR_OK);
            size_t count_after;
            cr_assert(only_sound_ones(&sample, &count_after));
            cr_assert_eq(count, count_after, "a sweep takes no snapshot");
            there += count > 0;
            absent += count == 0;
            sample_fini(&sample);
        }
        cr_assert(there > 0 && absent > 20, "%u, %u", there, absent);
    }
}
