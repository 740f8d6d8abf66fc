/*
 * manifest.h - what makes the parts of a snapshot one snapshot: written last, signed.
 *
 * Without a manifest there is no snapshot. It names every member's part with its length and
 * digests, and every link's three counters (I8); the initiator signs it (Ed25519) with its key. The
 * file is one msgpack map and the signature over its bytes. Reading checks the signature
 * before anything is decoded. SNAPSHOT.md describes every byte.
 */
#ifndef TROUPE_MANIFEST_H
#define TROUPE_MANIFEST_H

#include <stdbool.h>

#include "node/part.h"
#include "node/part_writer.h"
#include "node/snapshot.h"
#include "node/storage.h"

#define MANIFEST_FORMAT "troupe-manifest"
#define MANIFEST_NAME "manifest"

enum {
    MANIFEST_VERSION = 2, /* 1 had a second digest of each part, which nothing needed */
    MANIFEST_BYTES_MAX = 16 * 1024 * 1024,
    MANIFEST_MEMBERS_MAX = 256,
    MANIFEST_LINKS_MAX = 65536,
};

/* One member of the cluster at the cut, and its part file. */
typedef struct manifest_member {
    char name[PART_NAME_BYTES];
    uint64_t incarnation;
    uint32_t ordinal;
    uint64_t space;
    char file[PART_NAME_BYTES + 8]; /* "NAME.part" */
    uint64_t bytes;
    uint64_t actors;
    uint64_t messages;
    uint8_t tail_digest[DIGEST_BYTES]; /* of its digests and trailer, hence of all of it */
} manifest_member;

/* One direction of one link. */
typedef struct manifest_link {
    char from[PART_NAME_BYTES];
    char to[PART_NAME_BYTES];
    uint64_t sent;     /* older-colour messages, counted by the senders */
    uint64_t received; /* counted by the receivers' handlers and set-asides */
    uint64_t recorded; /* counted by the recorders */
} manifest_link;

struct manifest {
    char cluster[PART_NAME_BYTES];
    char id[PART_NAME_BYTES];
    uint64_t epoch;
    char initiator[PART_NAME_BYTES];
    uint64_t started_ms; /* wall time */
    uint64_t committed_ms;
    uint64_t duration_ms;
    manifest_member *members;
    uint32_t member_count;
    manifest_link *links;
    uint32_t link_count;
    uint8_t key[SIGN_PUBLIC_BYTES]; /* of the signature; set by manifest_encode */
};

/* Writes a durable part's facts as the vote that the coordination carries; in its digest blob:
 * ordinal, space and the tail's digest. */
void manifest_vote(const part_header *header, const part_summary *summary, snapshot_part *vote_out);

/* Makes a manifest of all votes and links; the caller's. `result->cut` gives epoch, id and
 * initiator. Errors: TR_EDATA a vote's blob is not manifest_vote's; TR_ECHECK as
 * manifest_check_links. */
tr_status manifest_from_result(const snapshot_result *result, const char *cluster,
                               uint64_t started_ms, uint64_t committed_ms,
                               struct manifest **manifest_out, tr_error *error);

/* Frees a manifest; NULL is nothing to do. */
void manifest_free(struct manifest *manifest);

/* Checks that every ordered pair of members has exactly one link and that each one's counters agree
 * (I8). Errors: TR_ECHECK; `error` (may be NULL) names the link and its numbers. */
tr_status manifest_check_links(const struct manifest *manifest, tr_error *error);

/* Totals over the members. */
uint64_t manifest_actors(const struct manifest *manifest);
uint64_t manifest_messages(const struct manifest *manifest);
uint64_t manifest_bytes(const struct manifest *manifest); /* of the part files */

/* Fills what tr_snapshot returns. */
void manifest_info(const struct manifest *manifest, tr_snapshot_info *info_out);

/* Returns the member with that name or that space, or NULL; borrowed. */
const manifest_member *manifest_member_named(const struct manifest *manifest, const char *name);
const manifest_member *manifest_member_of_space(const struct manifest *manifest, uint64_t space);

/* Writes a pid as people do, cut to fit: "n2/17.3", with the ordinal of a space that is not a
 * member's first "n2:1/17.3", a space of nobody here as 16 hexadecimal digits, "-" for no pid.
 * Returns `out`. */
char *manifest_pid_text(const struct manifest *manifest, tr_pid pid, char *out, size_t out_bytes);

/* Sets manifest->key and appends the signed file to `buffer`. */
void manifest_encode(struct manifest *manifest, const uint8_t seed[SIGN_SEED_BYTES],
                     struct buffer *buffer);

/* Checks the signature, then decodes. `path` is for the messages. Errors: TR_EDATA, naming file and
 * place. */
tr_status manifest_decode(const void *source, size_t bytes, const char *path,
                          struct manifest **manifest_out, tr_error *error);

/* Reads a manifest file. Errors: TR_ENOENT, TR_EIO, TR_EDATA. */
tr_status manifest_load(const storage_files *files, const char *path,
                        struct manifest **manifest_out, tr_error *error);

/* The outcome of manifest_write, on the core thread. */
typedef void manifest_done(void *context, tr_status status, const tr_error *error);

/* Writes `directory`/`id`/manifest from bytes made by manifest_encode: temporary name (with
 * `node`'s name in it), sync, rename, sync of the directory. TR_OK means durable; on an error no
 * manifest is left there, and one that is there already with these bytes is left alone. Copies the
 * bytes. The initiator writes it to commit; a member writes the same bytes to its own folder, which
 * may be the same, when it is told of the commit. */
void manifest_write(struct storage *storage, const char *directory, const char *id,
                    const char *node, const void *source, size_t bytes, manifest_done *done,
                    void *context);

#endif
