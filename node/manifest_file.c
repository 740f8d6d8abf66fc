/*
 * manifest_file.c - the manifest's bytes: four msgpack items, the last one the signature.
 *
 * The signature's item has a fixed size, so that it is found from the end and checked before
 * anything in front of it is decoded.
 */
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/manifest.h"
#include "node/part_map.h"
#include "node/record_pack.h"

/* What the first item says of the format, before what it says of this snapshot. */
struct head_item {
    char format[PART_NAME_BYTES];
    uint32_t version;
    struct manifest manifest;
};

static const struct part_map_field head_fields[] = {
    {"format", PART_MAP_NAME, offsetof(struct head_item, format)},
    {"version", PART_MAP_U32, offsetof(struct head_item, version)},
    {"cluster", PART_MAP_NAME, offsetof(struct head_item, manifest.cluster)},
    {"id", PART_MAP_NAME, offsetof(struct head_item, manifest.id)},
    {"epoch", PART_MAP_U64, offsetof(struct head_item, manifest.epoch)},
    {"initiator", PART_MAP_NAME, offsetof(struct head_item, manifest.initiator)},
    {"started_ms", PART_MAP_U64, offsetof(struct head_item, manifest.started_ms)},
    {"committed_ms", PART_MAP_U64, offsetof(struct head_item, manifest.committed_ms)},
    {"duration_ms", PART_MAP_U64, offsetof(struct head_item, manifest.duration_ms)},
};

static const struct part_map_field member_fields[] = {
    {"name", PART_MAP_NAME, offsetof(manifest_member, name)},
    {"incarnation", PART_MAP_U64, offsetof(manifest_member, incarnation)},
    {"ordinal", PART_MAP_U32, offsetof(manifest_member, ordinal)},
    {"space", PART_MAP_U64, offsetof(manifest_member, space)},
    {"bytes", PART_MAP_U64, offsetof(manifest_member, bytes)},
    {"actors", PART_MAP_U64, offsetof(manifest_member, actors)},
    {"messages", PART_MAP_U64, offsetof(manifest_member, messages)},
    {"tail_digest", PART_MAP_DIGEST, offsetof(manifest_member, tail_digest)},
};

static const struct part_map_field link_fields[] = {
    {"from", PART_MAP_NAME, offsetof(manifest_link, from)},
    {"to", PART_MAP_NAME, offsetof(manifest_link, to)},
    {"sent", PART_MAP_U64, offsetof(manifest_link, sent)},
    {"received", PART_MAP_U64, offsetof(manifest_link, received)},
    {"recorded", PART_MAP_U64, offsetof(manifest_link, recorded)},
};

#define FIELDS(table) table, sizeof(table) / sizeof(table)[0]

/* The signature's item: ["signature", bin of the key, bin of the signature]. */
static const uint8_t seal_head[] = {
    0x93, 0xa9, 's', 'i', 'g', 'n', 'a', 't', 'u', 'r', 'e', 0xc4, SIGN_PUBLIC_BYTES};
static const uint8_t seal_middle[] = {0xc4, SIGNATURE_BYTES};
enum {
    SEAL_KEY_AT = sizeof seal_head,
    SEAL_MIDDLE_AT = SEAL_KEY_AT + SIGN_PUBLIC_BYTES,
    SEAL_SIGNATURE_AT = SEAL_MIDDLE_AT + sizeof seal_middle,
    SEAL_BYTES = SEAL_SIGNATURE_AT + SIGNATURE_BYTES,
};

/* ---- encoding -------------------------------------------------------------------------------- */

static void pack_item(struct buffer *out, const char *name) {
    record_pack_array(out, 2);
    record_pack_text(out, name, strlen(name));
}

void manifest_encode(struct manifest *manifest, const uint8_t seed[SIGN_SEED_BYTES],
                     struct buffer *buffer) {
    size_t before = buffer->bytes;
    struct head_item head = {
        .format = MANIFEST_FORMAT, .version = MANIFEST_VERSION, .manifest = *manifest};
    pack_item(buffer, "manifest");
    part_map_pack(buffer, FIELDS(head_fields), &head);
    pack_item(buffer, "members");
    record_pack_array(buffer, manifest->member_count);
    for (uint32_t i = 0; i < manifest->member_count; i++) {
        part_map_pack(buffer, FIELDS(member_fields), &manifest->members[i]);
    }
    pack_item(buffer, "links");
    record_pack_array(buffer, manifest->link_count);
    for (uint32_t i = 0; i < manifest->link_count; i++) {
        part_map_pack(buffer, FIELDS(link_fields), &manifest->links[i]);
    }
    uint8_t signature[SIGNATURE_BYTES];
    digest_sign(seed, buffer->data + before, buffer->bytes - before, signature);
    digest_sign_public(seed, manifest->key);
    buffer_append(buffer, seal_head, sizeof seal_head);
    buffer_append(buffer, manifest->key, sizeof manifest->key);
    buffer_append(buffer, seal_middle, sizeof seal_middle);
    buffer_append(buffer, signature, sizeof signature);
}

/* ---- decoding -------------------------------------------------------------------------------- */

static bool decode_head(struct record_cursor *cursor, struct manifest *manifest,
                        struct part_fault *fault) {
    struct head_item head = {0};
    if (!part_read_item(cursor, "manifest", 2, fault)) return false;
    if (!part_map_read(cursor, FIELDS(head_fields), &head, fault)) return false;
    if (strcmp(head.format, MANIFEST_FORMAT) != 0) {
        return part_fault_set(fault, "the format is \"%s\", not \"" MANIFEST_FORMAT "\"",
                              head.format);
    }
    if (head.version < 1 || head.version > MANIFEST_VERSION) {
        return part_fault_set(fault, "format version %" PRIu32 "; this program reads 1 to %d",
                              head.version, MANIFEST_VERSION);
    }
    *manifest = head.manifest;
    return true;
}

static bool decode_members(struct record_cursor *cursor, struct manifest *manifest,
                           struct part_fault *fault) {
    uint32_t count = 0;
    if (!part_read_item(cursor, "members", 2, fault)) return false;
    if (!part_read_count(cursor, MANIFEST_MEMBERS_MAX, &count, "members", fault)) return false;
    manifest->members = mem_zalloc(count, sizeof manifest->members[0]);
    for (; manifest->member_count < count; manifest->member_count++) {
        manifest_member *member = &manifest->members[manifest->member_count];
        if (!part_map_read(cursor, FIELDS(member_fields), member, fault)) return false;
        if (strchr(member->name, '/') != NULL || member->name[0] == '.') {
            return part_fault_set(fault, "\"%s\" is no member's name", member->name);
        }
        if (manifest_member_named(manifest, member->name) != NULL) {
            return part_fault_set(fault, "member %s is there twice", member->name);
        }
        if (manifest_member_of_space(manifest, member->space) != NULL) {
            return part_fault_set(fault, "the space of %s is there twice", member->name);
        }
        snprintf(member->file, sizeof member->file, "%s.part", member->name);
    }
    return true;
}

static bool decode_links(struct record_cursor *cursor, struct manifest *manifest,
                         struct part_fault *fault) {
    uint32_t count = 0;
    if (!part_read_item(cursor, "links", 2, fault)) return false;
    if (!part_read_count(cursor, MANIFEST_LINKS_MAX, &count, "links", fault)) return false;
    manifest->links = mem_zalloc(count, sizeof manifest->links[0]);
    for (; manifest->link_count < count; manifest->link_count++) {
        manifest_link *link = &manifest->links[manifest->link_count];
        if (!part_map_read(cursor, FIELDS(link_fields), link, fault)) return false;
    }
    return true;
}

/* Checks the signature over everything before it, and notes the key. */
static bool check_seal(const uint8_t *data, size_t bytes, struct manifest *manifest,
                       struct part_fault *fault) {
    if (bytes <= SEAL_BYTES) return part_fault_set(fault, "it is cut short");
    const uint8_t *seal = data + bytes - SEAL_BYTES;
    if (memcmp(seal, seal_head, sizeof seal_head) != 0 ||
        memcmp(seal + SEAL_MIDDLE_AT, seal_middle, sizeof seal_middle) != 0) {
        return part_fault_set(fault, "it does not end in a signature");
    }
    if (!digest_verify(seal + SEAL_KEY_AT, data, bytes - SEAL_BYTES, seal + SEAL_SIGNATURE_AT)) {
        return part_fault_set(fault, "the signature does not fit the content");
    }
    memcpy(manifest->key, seal + SEAL_KEY_AT, sizeof manifest->key);
    return true;
}

static bool decode(const uint8_t *data, size_t bytes, struct manifest *manifest, size_t *at_out,
                   struct part_fault *fault) {
    struct manifest sealed = {0};
    *at_out = bytes > SEAL_BYTES ? bytes - SEAL_BYTES : 0;
    if (!check_seal(data, bytes, &sealed, fault)) return false;
    struct record_cursor cursor = {data, data + bytes - SEAL_BYTES};
    bool whole = decode_head(&cursor, manifest, fault) &&
                 decode_members(&cursor, manifest, fault) && decode_links(&cursor, manifest, fault);
    if (whole && record_cursor_left(&cursor) > 0) {
        whole = part_fault_set(fault, "bytes behind its links");
    }
    memcpy(manifest->key, sealed.key, sizeof manifest->key);
    *at_out = (size_t)(cursor.at - data);
    return whole;
}

tr_status manifest_decode(const void *source, size_t bytes, const char *path,
                          struct manifest **manifest_out, tr_error *error) {
    struct part_fault fault = {0};
    struct manifest *manifest = mem_zalloc(1, sizeof *manifest);
    size_t at = 0;
    if (bytes > MANIFEST_BYTES_MAX) {
        part_fault_set(&fault, "%zu bytes are too many", bytes);
    } else if (decode(source, bytes, manifest, &at, &fault)) {
        *manifest_out = manifest;
        return TR_OK;
    }
    manifest_free(manifest);
    return error_set(error, TR_EDATA, "the file was damaged or altered since it was written",
                     "%s, byte %zu: %s", path, at, fault.reason);
}

/* ---- files ----------------------------------------------------------------------------------- */

tr_status manifest_load(const storage_files *files, const char *path,
                        struct manifest **manifest_out, tr_error *error) {
    struct buffer content = {0};
    tr_status status = storage_read_file(files, path, MANIFEST_BYTES_MAX, &content, error);
    if (status == TR_OK) {
        status = manifest_decode(content.data, content.bytes, path, manifest_out, error);
    }
    buffer_fini(&content);
    return status;
}

struct manifest_job {
    storage_job job;
    char *folder;
    char *temporary;
    char *path;
    struct buffer bytes;
    tr_status status;
    tr_error error;
    manifest_done *done;
    void *context;
};

/* True when the file is there and has these very bytes: in a folder that several nodes share, the
 * initiator's own must not be put at risk by a member's copy of it. */
static bool is_there(const storage_files *files, const struct manifest_job *job) {
    struct buffer content = {0};
    bool same = storage_read_file(files, job->path, job->bytes.bytes, &content, NULL) == TR_OK &&
                content.bytes == job->bytes.bytes &&
                (content.bytes == 0 || memcmp(content.data, job->bytes.data, content.bytes) == 0);
    buffer_fini(&content);
    return same;
}

static void job_run(storage_job *base, const storage_files *files) {
    struct manifest_job *job = container_of(base, struct manifest_job, job);
    if (is_there(files, job)) return;
    job->status = storage_make_directories(files, job->folder, &job->error);
    if (job->status == TR_OK) {
        job->status = storage_write_file(files, job->folder, job->temporary, job->path,
                                         job->bytes.data, job->bytes.bytes, &job->error);
    }
}

static void job_complete(storage_job *base) {
    struct manifest_job *job = container_of(base, struct manifest_job, job);
    if (!job->job.ran) {
        job->status = error_set(&job->error, TR_ECLOSED, NULL, "%s was not written: the node stops",
                                job->path);
    }
    job->done(job->context, job->status, job->status == TR_OK ? NULL : &job->error);
    mem_free(job->folder);
    mem_free(job->temporary);
    mem_free(job->path);
    buffer_fini(&job->bytes);
    mem_free(job);
}

void manifest_write(struct storage *storage, const char *directory, const char *id,
                    const char *node, const void *source, size_t bytes, manifest_done *done,
                    void *context) {
    struct manifest_job *job = mem_zalloc(1, sizeof *job);
    job->job.run = job_run;
    job->job.complete = job_complete;
    job->folder = storage_join(directory, id);
    job->path = storage_join(job->folder, MANIFEST_NAME);
    job->temporary = mem_format("%s.%s.tmp", job->path, node);
    buffer_append(&job->bytes, source, bytes);
    job->done = done;
    job->context = context;
    storage_submit(storage, &job->job);
}
