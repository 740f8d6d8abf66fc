/*
 * snapshot_verify.c - reads every part once, and compares what they say with each other.
 *
 * The readers see to form and digests. Here: who was recorded twice, who is of the future, and on
 * each link three counts that were made in different places (I8): the sender's in its part, the
 * receiver's and the recorder's in the other, against the manifest and the items themselves.
 */
#include "node/snapshot_verify.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/message.h"
#include "node/part_reader.h"
#include "node/snapshot_store.h"

/* A pid with a number; the number is 0 for the pid alone. */
struct key {
    uint64_t space;
    uint64_t place; /* slot and generation */
    uint64_t number;
};

struct keys {
    struct key *items;
    size_t count;
    size_t capacity;
};

/* An ordinary message: those of one sender to one target stand in the order they were sent. */
struct ordered {
    tr_pid to;
    tr_pid from;
    uint64_t order;
    uint64_t id;
};

struct verification {
    const storage_files *files;
    const char *const *directories;
    const struct manifest *manifest;
    const manifest_member *member; /* whose part is read */
    part_reader *reader;
    struct keys actors;      /* of all parts */
    struct keys messages;    /* of all parts: sender and id */
    struct keys orders;      /* of this part: target and order */
    struct ordered *ordered; /* of this part */
    size_t ordered_count;
    size_t ordered_capacity;
    uint64_t *counted;  /* of this part, by member: messages that came from it */
    uint64_t *sessions; /* by member and peer: the session its part names */
    tr_error *error;
};

/* ---- keys ------------------------------------------------------------------------------------ */

static void keys_add(struct keys *keys, tr_pid pid, uint64_t number) {
    if (keys->count == keys->capacity) {
        keys->capacity = keys->capacity == 0 ? 64 : 2 * keys->capacity;
        keys->items = mem_realloc_array(keys->items, keys->capacity, sizeof keys->items[0]);
    }
    keys->items[keys->count++] =
        (struct key){pid.space, (uint64_t)pid.slot << 32 | pid.generation, number};
}

static void keys_fini(struct keys *keys) {
    mem_free(keys->items);
    *keys = (struct keys){0};
}

static int compare(uint64_t a, uint64_t b) {
    return a < b ? -1 : a > b;
}

static int key_order(const void *a, const void *b) {
    const struct key *one = a;
    const struct key *two = b;
    int order = compare(one->space, two->space);
    if (order == 0) order = compare(one->place, two->place);
    return order != 0 ? order : compare(one->number, two->number);
}

/* Sorts the keys; returns one that is there twice, or NULL. */
static const struct key *keys_duplicate(struct keys *keys) {
    if (keys->count > 1) qsort(keys->items, keys->count, sizeof keys->items[0], key_order);
    for (size_t i = 1; i < keys->count; i++) {
        if (key_order(&keys->items[i - 1], &keys->items[i]) == 0) return &keys->items[i];
    }
    return NULL;
}

/* TR_ECHECK when a key is there twice: "WHAT PID[, number N] WHERE twice". */
static tr_status check_once(struct verification *verification, struct keys *keys, const char *what,
                            const char *number, const char *where) {
    const struct key *twice = keys_duplicate(keys);
    if (twice == NULL) return TR_OK;
    char text[TR_PID_TEXT_MAX];
    tr_pid pid = {twice->space, (uint32_t)(twice->place >> 32), (uint32_t)twice->place};
    manifest_pid_text(verification->manifest, pid, text, sizeof text);
    if (number == NULL) {
        return error_set(verification->error, TR_ECHECK, NULL, "%s: %s %s is there twice", where,
                         what, text);
    }
    return error_set(verification->error, TR_ECHECK, NULL,
                     "%s: %s %s, %s %" PRIu64 " is there twice", where, what, text, number,
                     twice->number);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* Notes a message if it is an ordinary one: replies, control and dead letters may overtake. */
static void ordered_add(struct verification *verification, const part_message *message) {
    if (message->kind != MESSAGE_USER || (message->flags & (MESSAGE_REPLY | MESSAGE_EXEMPT)) != 0 ||
        message->reason.data != NULL) {
        return;
    }
    if (verification->ordered_count == verification->ordered_capacity) {
        size_t capacity = verification->ordered_capacity;
        verification->ordered_capacity = capacity == 0 ? 64 : 2 * capacity;
        verification->ordered = mem_realloc_array(
            verification->ordered, verification->ordered_capacity, sizeof verification->ordered[0]);
    }
    verification->ordered[verification->ordered_count++] =
        (struct ordered){message->to, message->from, message->order, message->id};
}

static int compare_pids(tr_pid a, tr_pid b) {
    int order = compare(a.space, b.space);
    if (order == 0) order = compare(a.slot, b.slot);
    return order != 0 ? order : compare(a.generation, b.generation);
}

static int compare_pairs(const struct ordered *one, const struct ordered *two) {
    int order = compare_pids(one->to, two->to);
    return order != 0 ? order : compare_pids(one->from, two->from);
}

static int ordered_order(const void *a, const void *b) {
    const struct ordered *one = a;
    const struct ordered *two = b;
    int order = compare_pairs(one, two);
    return order != 0 ? order : compare(one->order, two->order);
}

/* I7: each message is in it in order. */
static tr_status check_order(struct verification *verification) {
    struct ordered *all = verification->ordered;
    size_t count = verification->ordered_count;
    if (count > 1) qsort(all, count, sizeof all[0], ordered_order);
    for (size_t i = 1; i < count; i++) {
        if (compare_pairs(&all[i - 1], &all[i]) != 0 || all[i - 1].id < all[i].id) continue;
        char from[TR_PID_TEXT_MAX];
        char to[TR_PID_TEXT_MAX];
        return error_set(verification->error, TR_ECHECK, "this cut is not consistent",
                         "%s: from %s to %s: message %" PRIu64 " stands before %" PRIu64,
                         part_reader_path(verification->reader),
                         manifest_pid_text(verification->manifest, all[i].from, from, sizeof from),
                         manifest_pid_text(verification->manifest, all[i].to, to, sizeof to),
                         all[i - 1].id, all[i].id);
    }
    return TR_OK;
}

/* ---- one part -------------------------------------------------------------------------------- */

static tr_status fail_item(struct verification *verification, const part_item *item,
                           const char *reason) {
    return error_set(verification->error, TR_ECHECK, "this cut is not consistent",
                     "%s, byte %" PRIu64 ": %s", part_reader_path(verification->reader),
                     item->offset, reason);
}

static uint32_t member_index(const struct manifest *manifest, const char *name, size_t bytes) {
    uint32_t i = 0;
    for (; i < manifest->member_count; i++) {
        const char *found = manifest->members[i].name;
        if (strlen(found) == bytes && memcmp(found, name, bytes) == 0) break;
    }
    return i;
}

static tr_status check_actor(struct verification *verification, const part_item *item) {
    const part_actor *actor = &item->actor;
    if (actor->colour >= verification->manifest->epoch) {
        return fail_item(verification, item, "an actor that had turned before it was recorded");
    }
    if (actor->pid.space != verification->member->space) {
        return fail_item(verification, item, "an actor of another node's space");
    }
    keys_add(&verification->actors, actor->pid, 0);
    return TR_OK;
}

static tr_status check_message(struct verification *verification, const part_item *item) {
    const part_message *message = &item->message;
    const struct manifest *manifest = verification->manifest;
    if (message->colour >= manifest->epoch) {
        return fail_item(verification, item, "a message sent after the cut");
    }
    if (message->reason.data == NULL && message->to.space != verification->member->space) {
        return fail_item(verification, item, "a message for another node's actor");
    }
    if (message->link.data != NULL) {
        uint32_t from = member_index(manifest, message->link.data, message->link.bytes);
        if (from == manifest->member_count || &manifest->members[from] == verification->member) {
            return fail_item(verification, item, "a message over a link that does not exist");
        }
        verification->counted[from]++;
    }
    bool named = message->id != 0 && !tr_pid_is_none(message->from);
    if (named) {
        keys_add(&verification->messages, message->from, message->id);
        ordered_add(verification, message);
    }
    keys_add(&verification->orders, message->to, message->order);
    return TR_OK;
}

static const part_link *part_link_with(const part_reader *reader, const char *peer) {
    uint32_t count = 0;
    const part_link *links = part_reader_links(reader, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(links[i].peer, peer) == 0) return &links[i];
    }
    return NULL;
}

static tr_status fail_link(struct verification *verification, const manifest_link *link,
                           const char *what, uint64_t here, uint64_t there) {
    return error_set(verification->error, TR_ECHECK, "this cut is not consistent",
                     "%s: link %s to %s: %s is %" PRIu64 ", by the manifest %" PRIu64,
                     part_reader_path(verification->reader), link->from, link->to, what, here,
                     there);
}

/* Compares one link of the manifest with what this part says of its end of it. */
static tr_status check_link(struct verification *verification, const manifest_link *link) {
    const struct manifest *manifest = verification->manifest;
    bool outgoing = strcmp(link->from, verification->member->name) == 0;
    if (!outgoing && strcmp(link->to, verification->member->name) != 0) return TR_OK;
    const char *peer = outgoing ? link->to : link->from;
    const part_link *mine = part_link_with(verification->reader, peer);
    if (mine == NULL) return fail_link(verification, link, "the part has no such link: it", 0, 1);
    uint32_t here = (uint32_t)(verification->member - manifest->members);
    uint32_t there = member_index(manifest, peer, strlen(peer));
    verification->sessions[here * manifest->member_count + there] = mine->session;
    if (outgoing) {
        if (mine->sent == link->sent) return TR_OK;
        return fail_link(verification, link, "sent", mine->sent, link->sent);
    }
    if (mine->received != link->received) {
        return fail_link(verification, link, "received", mine->received, link->received);
    }
    if (mine->recorded != link->recorded) {
        return fail_link(verification, link, "recorded", mine->recorded, link->recorded);
    }
    if (verification->counted[there] != link->recorded) {
        return fail_link(verification, link, "the number of messages from it",
                         verification->counted[there], link->recorded);
    }
    return TR_OK;
}

/* With all items read: what holds for the part as a whole. */
static tr_status check_part(struct verification *verification) {
    const struct manifest *manifest = verification->manifest;
    uint32_t link_count = 0;
    part_reader_links(verification->reader, &link_count);
    if (link_count != manifest->member_count - 1) {
        return error_set(
            verification->error, TR_ECHECK, NULL, "%s: %" PRIu32 " links for %" PRIu32 " members",
            part_reader_path(verification->reader), link_count, manifest->member_count);
    }
    tr_status status = TR_OK;
    for (uint32_t i = 0; i < manifest->link_count && status == TR_OK; i++) {
        status = check_link(verification, &manifest->links[i]);
    }
    if (status == TR_OK) {
        status = check_once(verification, &verification->orders, "a message for", "order",
                            part_reader_path(verification->reader));
    }
    return status == TR_OK ? check_order(verification) : status;
}

static tr_status read_part(struct verification *verification) {
    for (;;) {
        part_item item;
        tr_status status = part_reader_next(verification->reader, &item, verification->error);
        if (status == TR_OK && item.kind == PART_ITEM_END) return TR_OK;
        if (status == TR_OK && item.kind == PART_ITEM_ACTOR) {
            status = check_actor(verification, &item);
        } else if (status == TR_OK) {
            status = check_message(verification, &item);
        }
        if (status != TR_OK) return status;
    }
}

static tr_status verify_part(struct verification *verification, const manifest_member *member) {
    const struct manifest *manifest = verification->manifest;
    char *path = NULL;
    tr_status status = snapshot_store_find_part(verification->files, verification->directories,
                                                manifest, member, &path, verification->error);
    if (status != TR_OK) return status;
    verification->member = member;
    verification->orders.count = 0;
    verification->ordered_count = 0;
    memset(verification->counted, 0, manifest->member_count * sizeof verification->counted[0]);
    status = part_reader_open(verification->files, path, manifest, member, &verification->reader,
                              verification->error);
    if (status == TR_OK) {
        status = read_part(verification);
        if (status == TR_OK) status = check_part(verification);
        part_reader_close(verification->reader);
    }
    mem_free(path);
    return status;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Both ends of a link must have counted in the same session. */
static tr_status check_sessions(struct verification *verification) {
    const struct manifest *manifest = verification->manifest;
    uint32_t count = manifest->member_count;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            uint64_t one = verification->sessions[i * count + j];
            uint64_t other = verification->sessions[j * count + i];
            if (one == other) continue;
            return error_set(verification->error, TR_ECHECK, "this cut is not consistent",
                             "%s and %s: session %" PRIu64 " at one end, %" PRIu64 " at the other",
                             manifest->members[i].name, manifest->members[j].name, one, other);
        }
    }
    return TR_OK;
}

static tr_status verify_parts(struct verification *verification) {
    const struct manifest *manifest = verification->manifest;
    tr_status status = TR_OK;
    for (uint32_t i = 0; i < manifest->member_count && status == TR_OK; i++) {
        status = verify_part(verification, &manifest->members[i]);
    }
    if (status == TR_OK) status = check_sessions(verification);
    if (status == TR_OK) {
        status = check_once(verification, &verification->actors, "actor", NULL, manifest->id);
    }
    if (status == TR_OK) {
        status = check_once(verification, &verification->messages, "a message from", "its id",
                            manifest->id);
    }
    return status;
}

static tr_status check_key(const struct manifest *manifest, const snapshot_verify_options *options,
                           tr_error *error) {
    uint8_t key[SIGN_PUBLIC_BYTES];
    if (options == NULL || options->key == NULL) return TR_OK;
    if (!options->key(options->key_context, manifest->initiator, key)) return TR_OK;
    if (memcmp(key, manifest->key, sizeof key) == 0) return TR_OK;
    return error_set(error, TR_EDATA,
                     "the manifest was replaced, or the keys were made anew after the snapshot",
                     "snapshot %s: the manifest is not signed with the key of %s, its initiator",
                     manifest->id, manifest->initiator);
}

static tr_status verify_manifest(const struct manifest *manifest,
                                 const snapshot_verify_options *options, tr_error *error) {
    tr_status status = check_key(manifest, options, error);
    if (status == TR_OK) status = manifest_check_links(manifest, error);
    if (status != TR_OK) return status;
    if (manifest_member_named(manifest, manifest->initiator) != NULL) return TR_OK;
    return error_set(error, TR_ECHECK, NULL, "snapshot %s: its initiator %s is no member",
                     manifest->id, manifest->initiator);
}

tr_status snapshot_verify(const storage_files *files, const char *const *directories,
                          const char *id, const snapshot_verify_options *options,
                          struct manifest **manifest_out, tr_error *error) {
    struct manifest *manifest = NULL;
    tr_status status = snapshot_store_load(files, directories, id, &manifest, error);
    if (status != TR_OK) return status;
    size_t count = manifest->member_count;
    struct verification verification = {
        .files = files,
        .directories = directories,
        .manifest = manifest,
        .counted = mem_zalloc(count, sizeof(uint64_t)),
        .sessions = mem_zalloc(count, count * sizeof(uint64_t)),
        .error = error,
    };
    status = verify_manifest(manifest, options, error);
    if (status == TR_OK) status = verify_parts(&verification);
    keys_fini(&verification.actors);
    keys_fini(&verification.messages);
    keys_fini(&verification.orders);
    mem_free(verification.ordered);
    mem_free(verification.counted);
    mem_free(verification.sessions);
    if (status == TR_OK && manifest_out != NULL) {
        *manifest_out = manifest;
    } else {
        manifest_free(manifest);
    }
    return status;
}
