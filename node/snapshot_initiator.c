/*
 * snapshot_initiator.c - this node as the initiator: number, prepare, start, votes, manifest.
 *
 *     NO_REQUEST -> WAITING -> NUMBERING -> PREPARING -> RUNNING -> COMMITTING -> (end of the wish)
 *                      ^------------'-----------'           '- - - abort
 *
 * Only the initiator decides: it commits when every vote is in and every link's counters agree
 * (I8), by writing the manifest; until then anything can abort the number, which is then over for
 * good. Every attempt takes a new number.
 */
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/snapshot_state.h"

enum { ATTEMPTS_SLOWER_MAX = 8, JITTER_STEPS = 16 };

static bool stage_follows(snapshot_stage from, snapshot_stage to) {
    switch (to) {
        case SNAPSHOT_NO_REQUEST:
            return from == SNAPSHOT_WAITING;
        case SNAPSHOT_WAITING:
            return true; /* a wish came, an attempt ended */
        case SNAPSHOT_NUMBERING:
            return from == SNAPSHOT_WAITING;
        case SNAPSHOT_PREPARING:
            return from == SNAPSHOT_NUMBERING;
        case SNAPSHOT_RUNNING:
            return from == SNAPSHOT_PREPARING;
        case SNAPSHOT_COMMITTING:
            return from == SNAPSHOT_RUNNING;
    }
    return false;
}

static void set_stage(struct snapshot_candidacy *candidate, snapshot_stage stage) {
    check(stage_follows(candidate->stage, stage));
    candidate->stage = stage;
}

bool snapshot_initiator_runs(const struct snapshot *snapshot, const snapshot_cut *cut) {
    const struct snapshot_candidacy *candidate = &snapshot->candidate;
    return candidate->stage >= SNAPSHOT_NUMBERING &&
           snapshot_cut_compare(&candidate->cut, cut) == 0;
}

void snapshot_initiator_clear(struct snapshot *snapshot) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    for (size_t i = 0; candidate->ballots != NULL && i < candidate->view.count; i++) {
        mem_free(candidate->ballots[i].sessions);
        mem_free(candidate->ballots[i].rows);
    }
    mem_free(candidate->ballots);
    mem_free(candidate->parts);
    mem_free(candidate->links);
    candidate->ballots = NULL;
    candidate->parts = NULL;
    candidate->links = NULL;
    candidate->result = (snapshot_result){0};
    snapshot_view_fini(&candidate->view);
}

/* ---- the end of an attempt and of a wish -------------------------------------------------------
 */

static void remove_wish(struct snapshot_candidacy *candidate, uint32_t place) {
    candidate->wishes_count--;
    memmove(&candidate->wishes[place], &candidate->wishes[place + 1],
            (candidate->wishes_count - place) * sizeof candidate->wishes[0]);
}

/* Ends the first wish, whose attempt is cleared already or is so here. */
static void end_wish(struct snapshot *snapshot, tr_status status, const snapshot_result *result,
                     const tr_error *error) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    uint64_t request = candidate->wishes[0].request;
    remove_wish(candidate, 0);
    snapshot->ops->done(snapshot->context, request, status, result, error);
    snapshot_initiator_clear(snapshot);
    set_stage(candidate, SNAPSHOT_WAITING);
    if (candidate->wishes_count == 0) set_stage(candidate, SNAPSHOT_NO_REQUEST);
    candidate->attempts = 0;
    candidate->retry_ns = 0;
    candidate->obstacle[0] = '\0';
}

static tr_status status_of(enum snapshot_reason reason) {
    if (reason == SNAPSHOT_TIMEOUT) return TR_ETIMEDOUT;
    return reason == SNAPSHOT_NODE_STOPS ? TR_ECLOSED : TR_EABORTED;
}

static const char *hint_of(enum snapshot_reason reason) {
    switch (reason) {
        case SNAPSHOT_MEMBER_LOST:
        case SNAPSHOT_SESSION_ENDED:
            return "try again once all members are up";
        case SNAPSHOT_TIMEOUT:
            return "a handler that runs long holds its actor; allow more time";
        case SNAPSHOT_DISK_FULL:
            return "free space in that node's snapshot folder";
        case SNAPSHOT_DISK_ERROR:
            return "look at that node's log and snapshot folder";
        case SNAPSHOT_COUNTS_DIFFER:
            return "this is a defect of troupe: keep the nodes' logs";
        default:
            return NULL;
    }
}

static tr_log_level level_of(enum snapshot_reason reason, bool retry) {
    if (reason == SNAPSHOT_COUNTS_DIFFER) return TR_ERROR;
    return retry ? TR_DEBUG : TR_WARN;
}

/* Attempts that fail come at growing intervals, unequal on different nodes. */
static void put_off(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    if (candidate->attempts < ATTEMPTS_SLOWER_MAX) candidate->attempts++;
    uint64_t jitter = snapshot_name_bits(snapshot->name) % JITTER_STEPS;
    candidate->retry_ns = now_ns + snapshot->retry_ns * candidate->attempts +
                          snapshot->retry_ns * jitter / JITTER_STEPS;
}

static void tell_members(struct snapshot *snapshot, const struct snapshot_message *message) {
    const struct snapshot_view *view = &snapshot->candidate.view;
    for (size_t i = 0; i < view->count; i++) {
        if (snapshot_is_self(snapshot, view->members[i].name)) continue;
        snapshot_post(snapshot, view->members[i].name, message);
    }
}

void snapshot_initiator_abort(struct snapshot *snapshot, uint64_t now_ns,
                              enum snapshot_reason reason, const char *text) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    check(candidate->stage >= SNAPSHOT_NUMBERING);
    struct snapshot_message abort = {.kind = SNAPSHOT_ABORT, .cut = candidate->cut};
    abort.reason = reason;
    snprintf(abort.text, sizeof abort.text, "%s", text);
    bool retry = reason == SNAPSHOT_OVERTAKEN || reason == SNAPSHOT_VIEWS_DIFFER;
    snapshot_log(snapshot, level_of(reason, retry), "%s: aborted: %s: %s", abort.cut.id,
                 snapshot_reason_text(reason), abort.text);
    if (candidate->stage >= SNAPSHOT_PREPARING) tell_members(snapshot, &abort);
    snapshot_member_discard(snapshot, &abort.cut);
    if (retry) {
        snprintf(candidate->obstacle, sizeof candidate->obstacle, "%.30s: %.200s",
                 snapshot_reason_text(reason), abort.text);
        snapshot_initiator_clear(snapshot);
        set_stage(candidate, SNAPSHOT_WAITING);
        put_off(snapshot, now_ns);
        return;
    }
    tr_error error = {0};
    error_set(&error, status_of(reason), hint_of(reason), "snapshot %s aborted: %s: %s",
              abort.cut.id, snapshot_reason_text(reason), abort.text);
    end_wish(snapshot, error.status, NULL, &error);
}

/* ---- number and prepare ------------------------------------------------------------------------
 */

/* True when a snapshot of this view can be taken; else `text` says why not. */
static bool view_complete(const struct snapshot *snapshot, const struct snapshot_view *view,
                          char text[SNAPSHOT_REASON_BYTES]) {
    size_t self = snapshot_view_find(view, snapshot->name);
    if (view->unusable || self == SIZE_MAX ||
        view->members[self].incarnation != snapshot->incarnation) {
        snprintf(text, SNAPSHOT_REASON_BYTES, "%s is not up in its cluster", snapshot->name);
        return false;
    }
    for (size_t i = 0; i < view->count; i++) {
        if (i == self || view->members[i].session != 0) continue;
        snprintf(text, SNAPSHOT_REASON_BYTES, "%s has no session with %s", snapshot->name,
                 view->members[i].name);
        return false;
    }
    return true;
}

/* The first number above all that are known; false when there is none left. */
static bool next_cut(const struct snapshot *snapshot, snapshot_cut *cut_out) {
    uint64_t used = snapshot->epoch > snapshot->floor ? snapshot->epoch : snapshot->floor;
    if (used > SNAPSHOT_EPOCH_MAX) return false;
    uint64_t epoch = ((used >> 16) + 1) << 16 | snapshot_name_bits(snapshot->name);
    return snapshot_cut_make(epoch, snapshot->name, cut_out);
}

bool snapshot_initiator_try(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    if (candidate->stage != SNAPSHOT_WAITING || snapshot->member.phase != SNAPSHOT_IDLE ||
        now_ns < candidate->retry_ns) {
        return false;
    }
    struct snapshot_view view, copy;
    snapshot_view_now(snapshot, &view);
    snapshot_cut cut;
    if (!view_complete(snapshot, &view, candidate->obstacle)) {
        snapshot_view_fini(&view);
        put_off(snapshot, now_ns);
        return false;
    }
    if (!next_cut(snapshot, &cut)) {
        snapshot_view_fini(&view);
        tr_error error = {0};
        error_set(&error, TR_EABORTED, NULL, "all snapshot numbers are used");
        end_wish(snapshot, error.status, NULL, &error);
        return true;
    }
    set_stage(candidate, SNAPSHOT_NUMBERING);
    candidate->cut = cut;
    candidate->prepared_ns = now_ns;
    snapshot_view_copy(&copy, &view);
    snapshot_view_move(&candidate->view, &view);
    snapshot_member_promise(snapshot, &cut, &copy);
    if (snapshot->ops->save_floor(snapshot->context, cut.epoch)) {
        snapshot_initiator_ask_members(snapshot, now_ns);
    }
    return true;
}

static void note_sessions(struct snapshot_ballot *ballot, const struct snapshot_view *view) {
    ballot->confirmed = true;
    ballot->sessions = mem_zalloc(view->count, sizeof ballot->sessions[0]);
    for (size_t i = 0; i < view->count; i++) ballot->sessions[i] = view->members[i].session;
}

/* Both ends of every link must mean the same session, or messages of an older one could count. */
static bool sessions_agree(const struct snapshot_candidacy *candidate,
                           char text[SNAPSHOT_REASON_BYTES]) {
    const struct snapshot_view *view = &candidate->view;
    for (size_t a = 0; a < view->count; a++) {
        for (size_t b = 0; b < a; b++) {
            if (candidate->ballots[a].sessions[b] == candidate->ballots[b].sessions[a]) continue;
            snprintf(text, SNAPSHOT_REASON_BYTES, "%s and %s are in different sessions",
                     view->members[b].name, view->members[a].name);
            return false;
        }
    }
    return true;
}

static void start_if_confirmed(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    for (size_t i = 0; i < candidate->view.count; i++) {
        if (!candidate->ballots[i].confirmed) return;
    }
    char text[SNAPSHOT_REASON_BYTES];
    if (!sessions_agree(candidate, text)) {
        snapshot_initiator_abort(snapshot, now_ns, SNAPSHOT_VIEWS_DIFFER, text);
        return;
    }
    set_stage(candidate, SNAPSHOT_RUNNING);
    snapshot_member_begin(snapshot, now_ns);
}

void snapshot_initiator_ask_members(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    set_stage(candidate, SNAPSHOT_PREPARING);
    candidate->ballots = mem_zalloc(candidate->view.count, sizeof candidate->ballots[0]);
    size_t self = snapshot_view_find(&candidate->view, snapshot->name);
    note_sessions(&candidate->ballots[self], &candidate->view);
    struct snapshot_message prepare = {.kind = SNAPSHOT_PREPARE, .cut = candidate->cut};
    prepare.view = candidate->view; /* borrowed */
    tell_members(snapshot, &prepare);
    start_if_confirmed(snapshot, now_ns);
}

static tr_status misplaced(const struct snapshot_message *message, const char *peer,
                           tr_error *error) {
    return error_set(error, TR_EDATA, NULL, "%s: message of kind %d from %s does not fit here",
                     message->cut.id, (int)message->kind, peer);
}

/* The ballot of a member of the present attempt, or NULL. */
static struct snapshot_ballot *ballot_of(struct snapshot *snapshot, const char *peer) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    size_t place = snapshot_view_find(&candidate->view, peer);
    return place == SIZE_MAX || candidate->ballots == NULL ? NULL : &candidate->ballots[place];
}

tr_status snapshot_initiator_confirm(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                     const struct snapshot_message *message, tr_error *error) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    if (!snapshot_initiator_runs(snapshot, &message->cut)) return TR_OK; /* given up meanwhile */
    struct snapshot_ballot *ballot = ballot_of(snapshot, peer);
    if (ballot == NULL || ballot->confirmed || candidate->stage != SNAPSHOT_PREPARING ||
        !snapshot_view_same_lives(&candidate->view, &message->view)) {
        return misplaced(message, peer, error);
    }
    note_sessions(ballot, &message->view);
    start_if_confirmed(snapshot, now_ns);
    return TR_OK;
}

tr_status snapshot_initiator_refuse(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                    const struct snapshot_message *message, tr_error *error) {
    if (!snapshot_initiator_runs(snapshot, &message->cut)) return TR_OK;
    struct snapshot_ballot *ballot = ballot_of(snapshot, peer);
    bool known = message->reason == SNAPSHOT_OVERTAKEN || message->reason == SNAPSHOT_VIEWS_DIFFER;
    if (ballot == NULL || ballot->confirmed || !known ||
        snapshot->candidate.stage != SNAPSHOT_PREPARING) {
        return misplaced(message, peer, error);
    }
    if (message->floor > snapshot->floor) snapshot->floor = message->floor;
    snapshot_initiator_abort(snapshot, now_ns, message->reason, message->text);
    return TR_OK;
}

/* ---- votes and the manifest --------------------------------------------------------------------
 */

tr_status snapshot_initiator_report(struct snapshot *snapshot, const char *peer,
                                    const struct snapshot_message *message, tr_error *error) {
    if (!snapshot_initiator_runs(snapshot, &message->cut)) return TR_OK;
    struct snapshot_ballot *ballot = ballot_of(snapshot, peer);
    if (ballot == NULL || snapshot->candidate.stage < SNAPSHOT_RUNNING) {
        return misplaced(message, peer, error);
    }
    ballot->phase = message->phase;
    ballot->census = message->census;
    ballot->markers = message->markers;
    return TR_OK;
}

/* What the voter at `voter` says of its link with the member at `peer`. */
static const struct snapshot_row *row_of(const struct snapshot_candidacy *candidate, size_t voter,
                                         size_t peer) {
    return &candidate->ballots[voter].rows[peer < voter ? peer : peer - 1];
}

/* I8, from three counters and what the marker carried. */
static bool counts_agree(const struct snapshot_candidacy *candidate,
                         char text[SNAPSHOT_REASON_BYTES]) {
    const struct snapshot_view *view = &candidate->view;
    for (size_t from = 0; from < view->count; from++) {
        for (size_t to = 0; to < view->count; to++) {
            if (from == to) continue;
            const struct snapshot_row *out = row_of(candidate, from, to);
            const struct snapshot_row *in = row_of(candidate, to, from);
            bool sum_fits = in->received <= out->sent && in->recorded == out->sent - in->received;
            if (sum_fits && in->marker == out->sent) continue;
            snprintf(text, SNAPSHOT_REASON_BYTES,
                     "link %s->%s: sent %" PRIu64 " (marker %" PRIu64 "), received %" PRIu64
                     ", recorded %" PRIu64,
                     view->members[from].name, view->members[to].name, out->sent, in->marker,
                     in->received, in->recorded);
            return false;
        }
    }
    return true;
}

static void collect_parts(struct snapshot_candidacy *candidate) {
    snapshot_result *result = &candidate->result;
    size_t count = candidate->view.count;
    candidate->parts = mem_zalloc(count, sizeof candidate->parts[0]);
    for (size_t i = 0; i < count; i++) {
        snapshot_part *part = &candidate->parts[i];
        *part = candidate->ballots[i].part;
        memcpy(part->node, candidate->view.members[i].name, sizeof part->node);
        part->incarnation = candidate->view.members[i].incarnation;
        result->actors += part->actors;
        result->in_flight += part->messages;
        result->bytes += part->bytes;
    }
    result->parts = candidate->parts;
    result->parts_count = count;
}

static void collect_links(struct snapshot_candidacy *candidate) {
    snapshot_result *result = &candidate->result;
    size_t count = candidate->view.count;
    candidate->links = mem_zalloc(count * (count - 1), sizeof candidate->links[0]);
    for (size_t from = 0; from < count; from++) {
        for (size_t to = 0; to < count; to++) {
            if (from == to) continue;
            snapshot_link *link = &candidate->links[result->links_count++];
            memcpy(link->from, candidate->view.members[from].name, sizeof link->from);
            memcpy(link->to, candidate->view.members[to].name, sizeof link->to);
            link->sent = row_of(candidate, from, to)->sent;
            link->received = row_of(candidate, to, from)->received;
            link->recorded = row_of(candidate, to, from)->recorded;
        }
    }
    result->links = candidate->links;
}

static void decide_if_voted(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    for (size_t i = 0; i < candidate->view.count; i++) {
        if (!candidate->ballots[i].voted) return;
    }
    char text[SNAPSHOT_REASON_BYTES];
    if (!counts_agree(candidate, text)) {
        snapshot_initiator_abort(snapshot, now_ns, SNAPSHOT_COUNTS_DIFFER, text);
        return;
    }
    set_stage(candidate, SNAPSHOT_COMMITTING);
    candidate->result = (snapshot_result){.cut = candidate->cut};
    candidate->result.duration_ns = now_ns - candidate->prepared_ns;
    collect_parts(candidate);
    collect_links(candidate);
    snapshot->ops->write_manifest(snapshot->context, &candidate->result);
}

/* True when the vote has one row for each other member, in the order of the view. */
static bool rows_fit(const struct snapshot_view *view, const char *voter,
                     const struct snapshot_message *vote) {
    if (vote->rows_count + 1 != view->count) return false;
    size_t row = 0;
    for (size_t i = 0; i < view->count; i++) {
        if (strcmp(view->members[i].name, voter) == 0) continue;
        if (row == vote->rows_count) return false;
        if (strcmp(vote->rows[row++].peer, view->members[i].name) != 0) return false;
    }
    return true;
}

tr_status snapshot_initiator_vote(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                  struct snapshot_message *message, tr_error *error) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    if (!snapshot_initiator_runs(snapshot, &message->cut)) return TR_OK;
    struct snapshot_ballot *ballot = ballot_of(snapshot, peer);
    if (ballot == NULL || ballot->voted || candidate->stage != SNAPSHOT_RUNNING ||
        !rows_fit(&candidate->view, peer, message)) {
        return misplaced(message, peer, error);
    }
    ballot->voted = true;
    ballot->phase = SNAPSHOT_VOTED;
    ballot->part = message->part;
    ballot->rows = message->rows;
    message->rows = NULL; /* taken */
    decide_if_voted(snapshot, now_ns);
    return TR_OK;
}

tr_status snapshot_initiator_fail(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                  const struct snapshot_message *message, tr_error *error) {
    if (!snapshot_initiator_runs(snapshot, &message->cut)) return TR_OK;
    snapshot_stage stage = snapshot->candidate.stage;
    bool self = snapshot_is_self(snapshot, peer);
    struct snapshot_ballot *ballot = ballot_of(snapshot, peer);
    if (!self && (ballot == NULL || ballot->voted || stage < SNAPSHOT_PREPARING)) {
        return misplaced(message, peer, error);
    }
    char text[SNAPSHOT_REASON_BYTES];
    snprintf(text, sizeof text, "%.200s%s%s%s", message->text, self ? "" : " (says ",
             self ? "" : peer, self ? "" : ")");
    snapshot_initiator_abort(snapshot, now_ns, message->reason, text);
    return TR_OK;
}

void snapshot_initiator_commit(struct snapshot *snapshot, uint64_t now_ns, const uint8_t *manifest,
                               size_t size) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    struct snapshot_message commit = {.kind = SNAPSHOT_COMMIT, .cut = candidate->cut};
    if (manifest != NULL && size <= SNAPSHOT_MANIFEST_BYTES_MAX) {
        commit.manifest = manifest;
        commit.manifest_bytes = size;
    }
    tell_members(snapshot, &commit);
    snapshot_member_keep(snapshot, &commit.cut, NULL, 0);
    candidate->result.duration_ns = now_ns - candidate->prepared_ns;
    snapshot_log(snapshot, TR_INFO,
                 "%s: committed: %zu nodes, %" PRIu64 " actors, %" PRIu64
                 " messages in flight, %" PRIu64 " ms",
                 commit.cut.id, candidate->result.parts_count, candidate->result.actors,
                 candidate->result.in_flight, candidate->result.duration_ns / 1000000);
    end_wish(snapshot, TR_OK, &candidate->result, NULL);
}

/* ---- losses and time ---------------------------------------------------------------------------
 */

void snapshot_initiator_peer_lost(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                  enum snapshot_reason reason, const char *text) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    if (candidate->stage < SNAPSHOT_NUMBERING || candidate->stage == SNAPSHOT_COMMITTING) return;
    if (snapshot_view_find(&candidate->view, peer) == SIZE_MAX) return;
    char words[SNAPSHOT_REASON_BYTES];
    snprintf(words, sizeof words, "%s: %s", peer, text);
    /* Nobody has recorded anything before the start: the smaller cluster can be asked again. */
    if (candidate->stage < SNAPSHOT_RUNNING) reason = SNAPSHOT_VIEWS_DIFFER;
    snapshot_initiator_abort(snapshot, now_ns, reason, words);
}

/* Appends words while there is room. */
static void add_words(char text[SNAPSHOT_REASON_BYTES], const char *words) {
    size_t used = strlen(text);
    snprintf(text + used, SNAPSHOT_REASON_BYTES - used, "%s%s", used > 0 ? ", " : "", words);
}

/* Who keeps the present attempt from going on. */
static void name_the_late(const struct snapshot_candidacy *candidate,
                          char text[SNAPSHOT_REASON_BYTES]) {
    text[0] = '\0';
    if (candidate->stage == SNAPSHOT_NUMBERING) add_words(text, "its number is not durable yet");
    for (size_t i = 0; candidate->ballots != NULL && i < candidate->view.count; i++) {
        const struct snapshot_ballot *ballot = &candidate->ballots[i];
        char words[SNAPSHOT_REASON_BYTES] = "";
        const char *name = candidate->view.members[i].name;
        if (candidate->stage == SNAPSHOT_PREPARING && !ballot->confirmed) {
            snprintf(words, sizeof words, "%s has not confirmed", name);
        } else if (candidate->stage == SNAPSHOT_RUNNING && !ballot->voted) {
            snprintf(words, sizeof words,
                     "%s was %s with %" PRIu64 " of %" PRIu64 " actors, %" PRIu32 " of %zu markers",
                     name, snapshot_phase_name(ballot->phase), ballot->census.red,
                     ballot->census.total, ballot->markers, candidate->view.count - 1);
        }
        if (words[0] != '\0') add_words(text, words);
    }
}

static void expire_first(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    char text[SNAPSHOT_REASON_BYTES];
    if (candidate->stage >= SNAPSHOT_NUMBERING) {
        name_the_late(candidate, text);
        snapshot_initiator_abort(snapshot, now_ns, SNAPSHOT_TIMEOUT, text);
        return;
    }
    tr_error error = {0};
    if (snapshot->member.phase != SNAPSHOT_IDLE) {
        error_set(&error, TR_ETIMEDOUT, NULL, "snapshot %s of %s was still %s",
                  snapshot->member.cut.id, snapshot->member.cut.initiator,
                  snapshot_phase_name(snapshot->member.phase));
    } else {
        error_set(&error, TR_ETIMEDOUT, NULL, "no snapshot could be started: %s",
                  candidate->obstacle[0] != '\0' ? candidate->obstacle : "no time was left");
    }
    end_wish(snapshot, error.status, NULL, &error);
}

/* Ends a wish behind the first one. */
static void drop_wish(struct snapshot *snapshot, uint32_t place, tr_status status,
                      const char *text) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    uint64_t request = candidate->wishes[place].request;
    remove_wish(candidate, place);
    tr_error error = {0};
    error_set(&error, status, NULL, "%s", text);
    snapshot->ops->done(snapshot->context, request, status, NULL, &error);
}

void snapshot_initiator_expire(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    for (uint32_t i = candidate->wishes_count; i-- > 1;) {
        if (candidate->wishes[i].deadline_ns > now_ns) continue;
        char text[SNAPSHOT_REASON_BYTES];
        snprintf(text, sizeof text, "%s of this node was still %s",
                 candidate->stage >= SNAPSHOT_NUMBERING ? candidate->cut.id : "another request",
                 snapshot_stage_name(candidate->stage));
        drop_wish(snapshot, i, TR_ETIMEDOUT, text);
    }
    /* Once the manifest is being written its outcome alone counts. */
    while (candidate->wishes_count > 0 && candidate->stage != SNAPSHOT_COMMITTING &&
           candidate->wishes[0].deadline_ns <= now_ns) {
        expire_first(snapshot, now_ns);
    }
}

void snapshot_initiator_stop(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_candidacy *candidate = &snapshot->candidate;
    while (candidate->wishes_count > 1) {
        drop_wish(snapshot, candidate->wishes_count - 1, TR_ECLOSED, "the node stops");
    }
    if (candidate->wishes_count == 0 || candidate->stage == SNAPSHOT_COMMITTING) return;
    if (candidate->stage >= SNAPSHOT_NUMBERING) {
        snapshot_initiator_abort(snapshot, now_ns, SNAPSHOT_NODE_STOPS, snapshot->name);
        return;
    }
    tr_error error = {0};
    error_set(&error, TR_ECLOSED, NULL, "the node stops");
    end_wish(snapshot, error.status, NULL, &error);
}

uint64_t snapshot_initiator_deadline(const struct snapshot *snapshot) {
    const struct snapshot_candidacy *candidate = &snapshot->candidate;
    uint64_t deadline = UINT64_MAX;
    for (uint32_t i = 0; i < candidate->wishes_count; i++) {
        if (i == 0 && candidate->stage == SNAPSHOT_COMMITTING) continue;
        uint64_t each = candidate->wishes[i].deadline_ns;
        if (each < deadline) deadline = each;
    }
    bool retries = candidate->stage == SNAPSHOT_WAITING && snapshot->member.phase == SNAPSHOT_IDLE;
    if (retries && candidate->retry_ns < deadline) deadline = candidate->retry_ns;
    return deadline;
}
