/*
 * snapshot.c - the machine's inputs: each is checked, handed to the role it concerns, and settled.
 *
 * Settling delivers what the node has told itself, and starts what has become possible, until
 * nothing is left to do; so every input leaves the machine at rest.
 */
#include "node/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/snapshot_state.h"

enum { RETRY_MS = 50, POLL_MS = 1, PROGRESS_MS = 250, NS_PER_MS = 1000000 };

const char *snapshot_phase_name(snapshot_phase phase) {
    switch (phase) {
        case SNAPSHOT_IDLE:
            return "idle";
        case SNAPSHOT_PROMISED:
            return "promised";
        case SNAPSHOT_RECORDING:
            return "recording";
        case SNAPSHOT_MARKED:
            return "waiting for markers";
        case SNAPSHOT_TOKEN:
            return "passing the token";
        case SNAPSHOT_WRITING:
            return "writing";
        case SNAPSHOT_VOTED:
            return "voted";
    }
    return "unknown";
}

const char *snapshot_stage_name(snapshot_stage stage) {
    switch (stage) {
        case SNAPSHOT_NO_REQUEST:
            return "idle";
        case SNAPSHOT_WAITING:
            return "waiting";
        case SNAPSHOT_NUMBERING:
            return "numbering";
        case SNAPSHOT_PREPARING:
            return "preparing";
        case SNAPSHOT_RUNNING:
            return "running";
        case SNAPSHOT_COMMITTING:
            return "committing";
    }
    return "unknown";
}

static uint64_t or_ms(uint64_t given_ns, uint64_t default_ms) {
    return given_ns > 0 ? given_ns : default_ms * NS_PER_MS;
}

struct snapshot *snapshot_new(const snapshot_options *options) {
    check(snapshot_name_valid(options->name));
    struct snapshot *snapshot = mem_zalloc(1, sizeof *snapshot);
    snprintf(snapshot->name, sizeof snapshot->name, "%s", options->name);
    snapshot->incarnation = options->incarnation;
    snapshot->floor = options->floor;
    snapshot->retry_ns = or_ms(options->retry_ns, RETRY_MS);
    snapshot->poll_ns = or_ms(options->poll_ns, POLL_MS);
    snapshot->progress_ns = or_ms(options->progress_ns, PROGRESS_MS);
    snapshot->ops = options->ops;
    snapshot->context = options->context;
    list_init(&snapshot->suitors);
    list_init(&snapshot->doubts);
    list_init(&snapshot->askers);
    list_init(&snapshot->notes);
    buffer_init(&snapshot->scratch);
    return snapshot;
}

static void free_note(struct snapshot_note *note) {
    mem_free(note->bytes);
    mem_free(note);
}

void snapshot_free(struct snapshot *snapshot) {
    if (snapshot == NULL) return;
    snapshot_initiator_clear(snapshot);
    snapshot_member_clear(snapshot);
    snapshot_member_forget_suitors(snapshot, NULL);
    snapshot_doubt_clear(snapshot);
    while (!list_empty(&snapshot->notes)) {
        free_note(container_of(list_pop_front(&snapshot->notes), struct snapshot_note, node));
    }
    buffer_fini(&snapshot->scratch);
    mem_free(snapshot);
}

/* ---- what the roles share ----------------------------------------------------------------------
 */

bool snapshot_is_self(const struct snapshot *snapshot, const char *name) {
    return strcmp(snapshot->name, name) == 0;
}

void snapshot_post(struct snapshot *snapshot, const char *peer,
                   const struct snapshot_message *message) {
    struct buffer *scratch = &snapshot->scratch;
    buffer_clear(scratch);
    snapshot_message_encode(message, scratch);
    check(scratch->bytes <= SNAPSHOT_MESSAGE_BYTES_MAX);
    if (!snapshot_is_self(snapshot, peer)) {
        snapshot->ops->send(snapshot->context, peer, scratch->data, scratch->bytes);
        return;
    }
    struct snapshot_note *note = mem_zalloc(1, sizeof *note);
    note->bytes = mem_dup(scratch->data, scratch->bytes);
    note->size = scratch->bytes;
    list_push_back(&snapshot->notes, &note->node);
}

void snapshot_log(struct snapshot *snapshot, tr_log_level level, const char *format, ...) {
    char text[2 * SNAPSHOT_REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snapshot->ops->log(snapshot->context, level, text);
}

void snapshot_view_now(struct snapshot *snapshot, struct snapshot_view *view_out) {
    struct snapshot_view view = {0};
    snapshot->ops->members(snapshot->context, &view);
    size_t self = snapshot_view_find(&view, snapshot->name);
    if (self != SIZE_MAX) view.members[self].session = 0;
    *view_out = view;
}

void snapshot_raise_epoch(struct snapshot *snapshot, uint64_t epoch) {
    const struct snapshot_membership *member = &snapshot->member;
    if (epoch <= snapshot->epoch) return;
    bool voteless = member->phase != SNAPSHOT_IDLE && member->phase != SNAPSHOT_VOTED;
    if (voteless && epoch >= member->cut.epoch) {
        snapshot_member_fail(snapshot, SNAPSHOT_OVERTAKEN, "a newer colour is about");
    }
    snapshot->epoch = epoch;
    if (epoch > snapshot->floor) snapshot->floor = epoch;
    snapshot->ops->move_epoch(snapshot->context, epoch);
}

/* ---- receiving ---------------------------------------------------------------------------------
 */

/* Each kind travels in one direction: from the initiator it names, to it, or between members. */
static bool direction_fits(const struct snapshot *snapshot, const char *peer,
                           const struct snapshot_message *message) {
    switch (message->kind) {
        case SNAPSHOT_PREPARE:
        case SNAPSHOT_COMMIT:
        case SNAPSHOT_ABORT:
            return strcmp(message->cut.initiator, peer) == 0;
        case SNAPSHOT_START:
        case SNAPSHOT_MARKER:
            return !snapshot_is_self(snapshot, peer);
        default:
            return snapshot_is_self(snapshot, message->cut.initiator);
    }
}

static tr_status dispatch(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                          struct snapshot_message *message, tr_error *error) {
    if (!direction_fits(snapshot, peer, message)) {
        return error_set(error, TR_EDATA, NULL, "%s: message of kind %d is not for %s to send",
                         message->cut.id, (int)message->kind, peer);
    }
    switch (message->kind) {
        case SNAPSHOT_PREPARE:
            return snapshot_member_prepare(snapshot, now_ns, peer, message, error);
        case SNAPSHOT_CONFIRM:
            return snapshot_initiator_confirm(snapshot, now_ns, peer, message, error);
        case SNAPSHOT_REFUSE:
            return snapshot_initiator_refuse(snapshot, now_ns, peer, message, error);
        case SNAPSHOT_START:
            return snapshot_member_start(snapshot, now_ns, peer, message, error);
        case SNAPSHOT_MARKER:
            return snapshot_member_marker(snapshot, now_ns, peer, message, error);
        case SNAPSHOT_REPORT:
            return snapshot_initiator_report(snapshot, peer, message, error);
        case SNAPSHOT_VOTE:
            return snapshot_initiator_vote(snapshot, now_ns, peer, message, error);
        case SNAPSHOT_FAIL:
            return snapshot_initiator_fail(snapshot, now_ns, peer, message, error);
        case SNAPSHOT_COMMIT:
            return snapshot_member_commit(snapshot, message, error);
        case SNAPSHOT_ABORT:
            snapshot_member_abort(snapshot, message);
            return TR_OK;
        case SNAPSHOT_QUERY:
            return snapshot_doubt_query(snapshot, now_ns, peer, &message->cut, error);
        case SNAPSHOT_KIND_COUNT:
            break;
    }
    return TR_EINTERNAL; /* decoding lets no other kind through */
}

static tr_status receive(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                         const uint8_t *bytes, size_t size, tr_error *error) {
    struct snapshot_message message;
    tr_status status = snapshot_message_decode(bytes, size, &message, error);
    if (status != TR_OK) return status;
    status = dispatch(snapshot, now_ns, peer, &message, error);
    snapshot_message_fini(&message);
    return status;
}

static void enter(struct snapshot *snapshot) {
    check(!snapshot->busy);
    snapshot->busy = true;
}

static void settle(struct snapshot *snapshot, uint64_t now_ns) {
    for (;;) {
        list_node *node = list_pop_front(&snapshot->notes);
        if (node != NULL) {
            struct snapshot_note *note = container_of(node, struct snapshot_note, node);
            check(receive(snapshot, now_ns, snapshot->name, note->bytes, note->size, NULL) ==
                  TR_OK);
            free_note(note);
            continue;
        }
        if (snapshot_member_welcome(snapshot, now_ns)) continue;
        if (!snapshot_initiator_try(snapshot, now_ns)) break;
    }
    snapshot->busy = false;
}

tr_status snapshot_receive(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                           const uint8_t *bytes, size_t size, tr_error *error) {
    check(!snapshot_is_self(snapshot, peer));
    enter(snapshot);
    tr_status status = receive(snapshot, now_ns, peer, bytes, size, error);
    settle(snapshot, now_ns);
    return status;
}

/* ---- the other inputs --------------------------------------------------------------------------
 */

void snapshot_part_found(struct snapshot *snapshot, uint64_t epoch, const char *initiator) {
    snapshot_cut cut;
    if (!snapshot_cut_make(epoch, initiator, &cut)) return; /* no part of ours has such a header */
    enter(snapshot);
    if (epoch > snapshot->floor) snapshot->floor = epoch;
    snapshot_doubt_add(snapshot, &cut);
    if (snapshot_is_self(snapshot, initiator)) snapshot_doubt_ask(snapshot, initiator);
    settle(snapshot, 0);
}

tr_status snapshot_request(struct snapshot *snapshot, uint64_t now_ns, uint64_t request,
                           uint64_t timeout_ms, tr_error *error) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    if (snapshot->stopped) {
        return error_set(error, TR_ECLOSED, NULL, "%s is stopping", snapshot->name);
    }
    if (candidate->wishes_count == SNAPSHOT_REQUESTS_MAX) {
        const snapshot_cut *cut =
            candidate->stage >= SNAPSHOT_NUMBERING ? &candidate->cut : &snapshot->member.cut;
        return error_set(error, TR_EBUSY, "try again when it has ended",
                         "snapshot %s runs and %d requests wait", cut->epoch ? cut->id : "none",
                         SNAPSHOT_REQUESTS_MAX);
    }
    enter(snapshot);
    if (timeout_ms == 0) timeout_ms = SNAPSHOT_TIMEOUT_MS;
    uint64_t room_ms = (UINT64_MAX - now_ns) / NS_PER_MS;
    struct snapshot_wish *wish = &candidate->wishes[candidate->wishes_count++];
    wish->request = request;
    wish->deadline_ns = timeout_ms < room_ms ? now_ns + timeout_ms * NS_PER_MS : UINT64_MAX;
    if (candidate->stage == SNAPSHOT_NO_REQUEST) candidate->stage = SNAPSHOT_WAITING;
    settle(snapshot, now_ns);
    return TR_OK;
}

void snapshot_step(struct snapshot *snapshot, uint64_t now_ns) {
    enter(snapshot);
    snapshot_initiator_expire(snapshot, now_ns);
    snapshot_member_poll(snapshot, now_ns);
    settle(snapshot, now_ns);
}

uint64_t snapshot_deadline(const struct snapshot *snapshot) {
    const struct snapshot_membership *member = &snapshot->member;
    uint64_t deadline = snapshot_initiator_deadline(snapshot);
    bool polls = member->phase == SNAPSHOT_RECORDING || member->phase == SNAPSHOT_TOKEN;
    return polls && member->poll_ns < deadline ? member->poll_ns : deadline;
}

void snapshot_session_up(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                         uint64_t peer_epoch) {
    enter(snapshot);
    snapshot_raise_epoch(snapshot, peer_epoch);
    snapshot_member_check_view(snapshot);
    snapshot_doubt_ask(snapshot, peer);
    settle(snapshot, now_ns);
}

static void lose_peer(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                      enum snapshot_reason reason, const char *text) {
    enter(snapshot);
    snapshot_initiator_peer_lost(snapshot, now_ns, peer, reason, text);
    snapshot_member_peer_lost(snapshot, peer, reason, text);
    snapshot_doubt_peer_lost(snapshot, peer);
    settle(snapshot, now_ns);
}

void snapshot_session_ended(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                            const char *reason) {
    lose_peer(snapshot, now_ns, peer, SNAPSHOT_SESSION_ENDED, reason);
}

void snapshot_member_lost(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                          const char *reason) {
    lose_peer(snapshot, now_ns, peer, SNAPSHOT_MEMBER_LOST, reason);
}

void snapshot_view_changed(struct snapshot *snapshot, uint64_t now_ns) {
    enter(snapshot);
    snapshot_member_check_view(snapshot);
    settle(snapshot, now_ns);
}

void snapshot_epoch_seen(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch) {
    if (epoch <= snapshot->epoch) return; /* nearly always */
    enter(snapshot);
    snapshot_raise_epoch(snapshot, epoch);
    settle(snapshot, now_ns);
}

void snapshot_part_durable(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                           const snapshot_part *part) {
    const struct snapshot_membership *member = &snapshot->member;
    if (member->phase != SNAPSHOT_WRITING || member->cut.epoch != epoch) return; /* given up */
    check(part->digest_bytes <= SNAPSHOT_DIGEST_BYTES_MAX);
    enter(snapshot);
    snapshot_member_durable(snapshot, part);
    settle(snapshot, now_ns);
}

static enum snapshot_reason disk_reason(tr_status status) {
    return status == TR_ENOSPC ? SNAPSHOT_DISK_FULL : SNAPSHOT_DISK_ERROR;
}

void snapshot_part_failed(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                          tr_status status, const char *reason) {
    const struct snapshot_membership *member = &snapshot->member;
    bool writes = member->phase >= SNAPSHOT_RECORDING && member->phase <= SNAPSHOT_WRITING;
    if (!writes || member->cut.epoch != epoch) return;
    enter(snapshot);
    snapshot_member_fail(snapshot, disk_reason(status), reason);
    settle(snapshot, now_ns);
}

/* True when the answer is for the manifest that is being written. */
static bool commits(const struct snapshot *snapshot, uint64_t epoch) {
    const struct snapshot_candidacy *candidate = &snapshot->candidate;
    return candidate->stage == SNAPSHOT_COMMITTING && candidate->cut.epoch == epoch;
}

void snapshot_manifest_durable(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                               const uint8_t *manifest, size_t size) {
    check(commits(snapshot, epoch)); /* nothing can come between */
    enter(snapshot);
    snapshot_initiator_commit(snapshot, now_ns, manifest, size);
    settle(snapshot, now_ns);
}

void snapshot_manifest_failed(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                              tr_status status, const char *reason) {
    check(commits(snapshot, epoch));
    enter(snapshot);
    char text[SNAPSHOT_REASON_BYTES];
    snprintf(text, sizeof text, "%s (manifest on %s)", reason, snapshot->name);
    snapshot_initiator_abort(snapshot, now_ns, disk_reason(status), text);
    settle(snapshot, now_ns);
}

void snapshot_manifest_found(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                             bool exists, const uint8_t *manifest, size_t size) {
    enter(snapshot);
    snapshot_doubt_found(snapshot, epoch, exists, manifest, size);
    settle(snapshot, now_ns);
}

void snapshot_floor_saved(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                          tr_status status, const char *reason) {
    const struct snapshot_candidacy *candidate = &snapshot->candidate;
    if (candidate->stage != SNAPSHOT_NUMBERING || candidate->cut.epoch != epoch) return;
    enter(snapshot);
    if (status == TR_OK) {
        snapshot_initiator_ask_members(snapshot, now_ns);
    } else {
        char text[SNAPSHOT_REASON_BYTES];
        snprintf(text, sizeof text, "%s (number on %s)", reason, snapshot->name);
        snapshot_initiator_abort(snapshot, now_ns, disk_reason(status), text);
    }
    settle(snapshot, now_ns);
}

void snapshot_stop(struct snapshot *snapshot, uint64_t now_ns) {
    enter(snapshot);
    snapshot->stopped = true;
    snapshot_initiator_stop(snapshot, now_ns);
    snapshot_member_stop(snapshot);
    settle(snapshot, now_ns);
}

/* ---- questions ---------------------------------------------------------------------------------
 */

uint64_t snapshot_epoch(const struct snapshot *snapshot) {
    return snapshot->epoch;
}

bool snapshot_admission_frozen(const struct snapshot *snapshot) {
    return snapshot->member.phase != SNAPSHOT_IDLE;
}

static void add_ballots(const struct snapshot_candidacy *candidate, snapshot_progress *progress) {
    progress->markers = 0;
    progress->census = (snapshot_census){0};
    progress->markers_total = (uint32_t)(candidate->view.count * (candidate->view.count - 1));
    for (size_t i = 0; i < candidate->view.count; i++) {
        const struct snapshot_ballot *ballot = &candidate->ballots[i];
        progress->confirmed += ballot->confirmed;
        progress->voted += ballot->voted;
        progress->markers += ballot->markers;
        progress->census.red += ballot->census.red;
        progress->census.total += ballot->census.total;
    }
}

void snapshot_progress_get(const struct snapshot *snapshot, snapshot_progress *progress_out) {
    const struct snapshot_membership *member = &snapshot->member;
    const struct snapshot_candidacy *candidate = &snapshot->candidate;
    snapshot_progress progress = {.phase = member->phase, .stage = candidate->stage};
    if (member->phase != SNAPSHOT_IDLE) {
        progress.cut = member->cut;
        progress.nodes = (uint32_t)member->view.count;
        progress.markers = member->markers;
        progress.markers_total = (uint32_t)member->view.count - 1;
        progress.census = member->census;
    }
    if (candidate->ballots != NULL) add_ballots(candidate, &progress);
    progress.requests = candidate->wishes_count;
    progress.doubts = (uint32_t)list_count(&snapshot->doubts);
    *progress_out = progress;
}

void snapshot_info(const snapshot_result *result, tr_snapshot_info *info_out) {
    tr_snapshot_info info = {.epoch = result->cut.epoch, .consistent = true};
    memcpy(info.id, result->cut.id, sizeof info.id);
    info.nodes = (uint32_t)result->parts_count;
    info.actors = result->actors;
    info.in_flight = result->in_flight;
    info.bytes = result->bytes;
    info.duration_ms = result->duration_ns / NS_PER_MS;
    *info_out = info;
}
