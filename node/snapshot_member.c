/*
 * snapshot_member.c - this node's own part of one snapshot: promise, start, markers, token, vote.
 *
 *     IDLE -> PROMISED -> RECORDING -> MARKED -> TOKEN -> WRITING -> VOTED -> IDLE
 *
 * Every phase before VOTED can go back to IDLE by abort or failure; from VOTED only the initiator's
 * answer, or the end of the session with it (then the part is in doubt), leads there.
 */
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/snapshot_state.h"

/* Polls grow rarer while actors are slow to turn: they cost at most an eighth of the time. */
enum { POLL_SHARE = 8, POLL_FACTOR_MAX = 16 };

/* May the phase follow the other? Discarding, keeping and doubt lead to IDLE. */
static bool phase_follows(snapshot_phase from, snapshot_phase to) {
    return to == SNAPSHOT_IDLE ? from != SNAPSHOT_IDLE : to == from + 1;
}

static void set_phase(struct snapshot_membership *member, snapshot_phase phase) {
    check(phase_follows(member->phase, phase));
    member->phase = phase;
}

bool snapshot_member_holds(const struct snapshot *snapshot, const snapshot_cut *cut) {
    const struct snapshot_membership *member = &snapshot->member;
    return member->phase != SNAPSHOT_IDLE && snapshot_cut_compare(&member->cut, cut) == 0;
}

void snapshot_member_clear(struct snapshot *snapshot) {
    struct snapshot_membership *member = &snapshot->member;
    snapshot_view_fini(&member->view);
    mem_free(member->peers);
    *member = (struct snapshot_membership){.phase = SNAPSHOT_IDLE};
}

void snapshot_member_keep(struct snapshot *snapshot, const snapshot_cut *cut,
                          const uint8_t *manifest, size_t size) {
    if (!snapshot_member_holds(snapshot, cut)) return;
    check(snapshot->member.phase == SNAPSHOT_VOTED);
    snapshot->ops->keep_part(snapshot->context, cut, manifest, size);
    snapshot_member_clear(snapshot);
}

void snapshot_member_discard(struct snapshot *snapshot, const snapshot_cut *cut) {
    if (!snapshot_member_holds(snapshot, cut)) return;
    bool recorded = snapshot->member.phase >= SNAPSHOT_RECORDING;
    snapshot_cut copy = *cut; /* the caller's may be the membership's own */
    snapshot_member_clear(snapshot);
    if (recorded) snapshot->ops->discard_part(snapshot->context, &copy);
}

void snapshot_member_fail(struct snapshot *snapshot, enum snapshot_reason reason,
                          const char *text) {
    struct snapshot_membership *member = &snapshot->member;
    check(member->phase > SNAPSHOT_IDLE && member->phase < SNAPSHOT_VOTED);
    struct snapshot_message fail = {.kind = SNAPSHOT_FAIL, .cut = member->cut, .reason = reason};
    snprintf(fail.text, sizeof fail.text, "%s", text);
    snapshot_log(snapshot, TR_INFO, "%s: given up here: %s: %s", fail.cut.id,
                 snapshot_reason_text(reason), text);
    snapshot_member_discard(snapshot, &fail.cut);
    snapshot_post(snapshot, fail.cut.initiator, &fail);
}

/* ---- the promise -------------------------------------------------------------------------------
 */

static void refuse(struct snapshot *snapshot, const snapshot_cut *cut, enum snapshot_reason reason,
                   const char *text) {
    struct snapshot_message refusal = {.kind = SNAPSHOT_REFUSE, .cut = *cut, .reason = reason};
    refusal.floor = snapshot->floor < SNAPSHOT_EPOCH_MAX ? snapshot->floor : SNAPSHOT_EPOCH_MAX;
    snprintf(refusal.text, sizeof refusal.text, "%s", text);
    snapshot_post(snapshot, cut->initiator, &refusal);
}

/* True when both see the same lives, and this node has a session with every one of them. */
static bool views_agree(const struct snapshot *snapshot, const struct snapshot_view *mine,
                        const struct snapshot_view *theirs, const char *initiator,
                        char text[SNAPSHOT_REASON_BYTES]) {
    const char *name = snapshot->name;
    if (mine->unusable || !snapshot_view_same_lives(mine, theirs)) {
        snprintf(text, SNAPSHOT_REASON_BYTES, "%s sees %zu members, %s sees %zu%s", initiator,
                 theirs->count, name, mine->count,
                 mine->count == theirs->count ? ", not the same lives" : "");
        return false;
    }
    for (size_t i = 0; i < mine->count; i++) {
        const struct snapshot_member *member = &mine->members[i];
        if (member->session != 0 || snapshot_is_self(snapshot, member->name)) continue;
        snprintf(text, SNAPSHOT_REASON_BYTES, "%s has no session with %s", name, member->name);
        return false;
    }
    uint64_t here = mine->members[snapshot_view_find(mine, initiator)].session;
    uint64_t there = theirs->members[snapshot_view_find(theirs, name)].session;
    if (here == there) return true;
    snprintf(text, SNAPSHOT_REASON_BYTES, "%s and %s are in different sessions", initiator, name);
    return false;
}

void snapshot_member_promise(struct snapshot *snapshot, const snapshot_cut *cut,
                             struct snapshot_view *view) {
    struct snapshot_membership *member = &snapshot->member;
    check(snapshot_cut_compare(cut, &snapshot->highest) > 0);
    set_phase(member, SNAPSHOT_PROMISED);
    member->cut = *cut;
    snapshot_view_move(&member->view, view);
    member->peers = mem_zalloc(member->view.count, sizeof member->peers[0]);
    snapshot->highest = *cut;
    if (cut->epoch > snapshot->floor) snapshot->floor = cut->epoch;
}

/* Promises if the views agree; takes the view it has compared with. */
static void confirm(struct snapshot *snapshot, const snapshot_cut *cut,
                    const struct snapshot_view *theirs) {
    struct snapshot_view mine;
    char text[SNAPSHOT_REASON_BYTES];
    snapshot_view_now(snapshot, &mine);
    if (views_agree(snapshot, &mine, theirs, cut->initiator, text)) {
        snapshot_member_promise(snapshot, cut, &mine);
        struct snapshot_message confirmation = {.kind = SNAPSHOT_CONFIRM, .cut = *cut};
        confirmation.view = snapshot->member.view; /* borrowed */
        snapshot_post(snapshot, cut->initiator, &confirmation);
    } else {
        refuse(snapshot, cut, SNAPSHOT_VIEWS_DIFFER, text);
    }
    snapshot_view_fini(&mine);
}

static void forget_suitor(struct snapshot *snapshot, struct snapshot_suitor *suitor) {
    list_remove(&snapshot->suitors, &suitor->node);
    snapshot_view_fini(&suitor->view);
    mem_free(suitor);
}

void snapshot_member_forget_suitors(struct snapshot *snapshot, const char *peer) {
    list_node *next;
    for (list_node *node = list_first(&snapshot->suitors); node != NULL; node = next) {
        next = list_next(&snapshot->suitors, node);
        struct snapshot_suitor *suitor = container_of(node, struct snapshot_suitor, node);
        if (peer == NULL || strcmp(suitor->cut.initiator, peer) == 0) {
            forget_suitor(snapshot, suitor);
        }
    }
}

/* One for each initiator: it has given up its earlier ones. */
static void keep_waiting(struct snapshot *snapshot, const snapshot_cut *cut,
                         struct snapshot_view *view) {
    snapshot_member_forget_suitors(snapshot, cut->initiator);
    struct snapshot_suitor *suitor = mem_zalloc(1, sizeof *suitor);
    suitor->cut = *cut;
    snapshot_view_move(&suitor->view, view);
    list_push_back(&snapshot->suitors, &suitor->node);
}

/* Answers a prepare, or lets it wait; takes the view. */
static void consider(struct snapshot *snapshot, uint64_t now_ns, const snapshot_cut *cut,
                     struct snapshot_view *view) {
    char text[SNAPSHOT_REASON_BYTES];
    if (snapshot->stopped) {
        snprintf(text, sizeof text, "%s is stopping", snapshot->name);
        refuse(snapshot, cut, SNAPSHOT_VIEWS_DIFFER, text);
        return;
    }
    if (cut->epoch <= snapshot->epoch || snapshot_cut_compare(cut, &snapshot->highest) <= 0) {
        snprintf(text, sizeof text, "%s knows of %s%s", snapshot->name,
                 snapshot->highest.epoch >= snapshot->epoch ? snapshot->highest.id : "a newer one",
                 snapshot->member.phase != SNAPSHOT_IDLE ? ", which runs" : "");
        refuse(snapshot, cut, SNAPSHOT_OVERTAKEN, text);
        return;
    }
    snapshot_stage stage = snapshot->candidate.stage;
    if (stage == SNAPSHOT_NUMBERING || stage == SNAPSHOT_PREPARING) {
        snprintf(text, sizeof text, "by %s", cut->id);
        snapshot_initiator_abort(snapshot, now_ns, SNAPSHOT_OVERTAKEN, text);
    }
    if (snapshot->member.phase != SNAPSHOT_IDLE) {
        keep_waiting(snapshot, cut, view);
    } else {
        confirm(snapshot, cut, view);
    }
}

tr_status snapshot_member_prepare(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                  struct snapshot_message *message, tr_error *error) {
    bool complete = snapshot_view_find(&message->view, peer) != SIZE_MAX &&
                    snapshot_view_find(&message->view, snapshot->name) != SIZE_MAX;
    if (!complete || snapshot_member_holds(snapshot, &message->cut)) {
        return error_set(error, TR_EDATA, NULL, "%s: %s from %s", message->cut.id,
                         complete ? "second prepare" : "prepare for others", peer);
    }
    consider(snapshot, now_ns, &message->cut, &message->view);
    return TR_OK;
}

bool snapshot_member_welcome(struct snapshot *snapshot, uint64_t now_ns) {
    if (snapshot->member.phase != SNAPSHOT_IDLE || list_empty(&snapshot->suitors)) return false;
    struct snapshot_suitor *newest = NULL;
    for (list_node *node = list_first(&snapshot->suitors); node != NULL;
         node = list_next(&snapshot->suitors, node)) {
        struct snapshot_suitor *suitor = container_of(node, struct snapshot_suitor, node);
        if (newest == NULL || snapshot_cut_compare(&suitor->cut, &newest->cut) > 0) newest = suitor;
    }
    list_remove(&snapshot->suitors, &newest->node);
    consider(snapshot, now_ns, &newest->cut, &newest->view);
    snapshot_view_fini(&newest->view);
    mem_free(newest);
    return true;
}

void snapshot_member_check_view(struct snapshot *snapshot) {
    struct snapshot_membership *member = &snapshot->member;
    if (member->phase == SNAPSHOT_IDLE || member->phase == SNAPSHOT_VOTED) return;
    struct snapshot_view now;
    snapshot_view_now(snapshot, &now);
    if (!snapshot_view_equal(&now, &member->view)) {
        snapshot_member_fail(snapshot, SNAPSHOT_VIEWS_DIFFER, "the members have changed");
    }
    snapshot_view_fini(&now);
}

/* ---- start and markers -------------------------------------------------------------------------
 */

static void post_to_others(struct snapshot *snapshot, const struct snapshot_message *message) {
    const struct snapshot_view *view = &snapshot->member.view;
    for (size_t i = 0; i < view->count; i++) {
        if (snapshot_is_self(snapshot, view->members[i].name)) continue;
        snapshot_post(snapshot, view->members[i].name, message);
    }
}

void snapshot_member_begin(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_membership *member = &snapshot->member;
    const snapshot_ops *ops = snapshot->ops;
    set_phase(member, SNAPSHOT_RECORDING);
    member->begun_ns = member->poll_ns = now_ns;
    member->report_ns = now_ns + snapshot->progress_ns;
    /* In this order: whoever sees E may send red at once, and START must stand before that. */
    struct snapshot_message start = {.kind = SNAPSHOT_START, .cut = member->cut};
    start.view = member->view; /* borrowed */
    post_to_others(snapshot, &start);
    snapshot->epoch = member->cut.epoch;
    ops->begin(snapshot->context, &member->cut);
    ops->sweep(snapshot->context, member->cut.epoch);
    /* The initiator's floor is durable already; here it only helps a later life to count on. */
    if (!snapshot_is_self(snapshot, member->cut.initiator)) {
        ops->save_floor(snapshot->context, member->cut.epoch);
    }
}

tr_status snapshot_member_start(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                const struct snapshot_message *message, tr_error *error) {
    struct snapshot_membership *member = &snapshot->member;
    if (!snapshot_member_holds(snapshot, &message->cut)) {
        snapshot_raise_epoch(snapshot, message->cut.epoch); /* over, or never ours */
        return TR_OK;
    }
    size_t place = snapshot_view_find(&member->view, peer);
    bool early =
        member->phase == SNAPSHOT_PROMISED && snapshot_is_self(snapshot, message->cut.initiator);
    if (place == SIZE_MAX || early || member->peers[place].started ||
        !snapshot_view_same_lives(&member->view, &message->view)) {
        return error_set(error, TR_EDATA, NULL, "%s: start from %s is %s", message->cut.id, peer,
                         place == SIZE_MAX              ? "from no member"
                         : early                        ? "too early"
                         : member->peers[place].started ? "a second one"
                                                        : "for other members");
    }
    if (member->phase == SNAPSHOT_PROMISED) snapshot_member_begin(snapshot, now_ns);
    member->peers[place].started = true;
    return TR_OK;
}

static void report(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_membership *member = &snapshot->member;
    struct snapshot_message message = {.kind = SNAPSHOT_REPORT, .cut = member->cut};
    message.phase = member->phase;
    message.census = member->census;
    message.markers = member->markers;
    member->report_ns = now_ns + snapshot->progress_ns;
    snapshot_post(snapshot, member->cut.initiator, &message);
}

/* No older message can arrive any more: the token looks for those that wait here. */
static void check_markers(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_membership *member = &snapshot->member;
    if (member->phase != SNAPSHOT_MARKED || member->markers + 1 < member->view.count) return;
    set_phase(member, SNAPSHOT_TOKEN);
    member->poll_ns = now_ns;
    snapshot->ops->token_start(snapshot->context, member->cut.epoch);
    report(snapshot, now_ns);
}

tr_status snapshot_member_marker(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                 const struct snapshot_message *message, tr_error *error) {
    struct snapshot_membership *member = &snapshot->member;
    if (!snapshot_member_holds(snapshot, &message->cut)) return TR_OK; /* over */
    size_t place = snapshot_view_find(&member->view, peer);
    struct snapshot_peer *from = place == SIZE_MAX ? NULL : &member->peers[place];
    if (from == NULL || !from->started || from->marked) {
        return error_set(error, TR_EDATA, NULL, "%s: marker from %s is %s", message->cut.id, peer,
                         from == NULL     ? "from no member"
                         : !from->started ? "before its start"
                                          : "a second one");
    }
    from->marked = true;
    from->marker = message->older;
    member->markers++;
    check_markers(snapshot, now_ns);
    return TR_OK;
}

/* No older message can be sent from here any more: says so on every link, behind the last one. */
static void send_markers(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_membership *member = &snapshot->member;
    const snapshot_ops *ops = snapshot->ops;
    ops->flush_links(snapshot->context, member->cut.epoch);
    for (size_t i = 0; i < member->view.count; i++) {
        const char *name = member->view.members[i].name;
        if (snapshot_is_self(snapshot, name)) continue;
        struct snapshot_message marker = {.kind = SNAPSHOT_MARKER, .cut = member->cut};
        marker.older = ops->link_sent_older(snapshot->context, name, member->cut.epoch);
        member->peers[i].sent = marker.older;
        snapshot_post(snapshot, name, &marker);
    }
    set_phase(member, SNAPSHOT_MARKED);
    report(snapshot, now_ns);
    check_markers(snapshot, now_ns);
}

/* ---- token, part and vote ----------------------------------------------------------------------
 */

static void name_link(snapshot_link *link, const char *from, const char *to) {
    memcpy(link->from, from, strlen(from) + 1);
    memcpy(link->to, to, strlen(to) + 1);
}

static void finish_part(struct snapshot *snapshot) {
    struct snapshot_membership *member = &snapshot->member;
    snapshot_link *links = mem_zalloc(member->view.count, sizeof links[0]);
    size_t count = 0;
    for (size_t i = 0; i < member->view.count; i++) {
        struct snapshot_peer *peer = &member->peers[i];
        const char *name = member->view.members[i].name;
        if (snapshot_is_self(snapshot, name)) continue;
        snapshot->ops->link_counts(snapshot->context, name, member->cut.epoch, &peer->received,
                                   &peer->recorded);
        snapshot_link *link = &links[count++];
        name_link(link, name, snapshot->name);
        link->sent = peer->marker;
        link->received = peer->received;
        link->recorded = peer->recorded;
    }
    set_phase(member, SNAPSHOT_WRITING);
    snapshot->ops->finish_part(snapshot->context, &member->cut, links, count);
    mem_free(links);
}

void snapshot_member_poll(struct snapshot *snapshot, uint64_t now_ns) {
    struct snapshot_membership *member = &snapshot->member;
    uint64_t pause = (now_ns - member->begun_ns) / POLL_SHARE;
    if (pause > POLL_FACTOR_MAX * snapshot->poll_ns) pause = POLL_FACTOR_MAX * snapshot->poll_ns;
    member->poll_ns = now_ns + (pause > snapshot->poll_ns ? pause : snapshot->poll_ns);
    const snapshot_ops *ops = snapshot->ops;
    if (member->phase == SNAPSHOT_RECORDING) {
        bool red = ops->all_red(snapshot->context, member->cut.epoch, &member->census);
        if (red) send_markers(snapshot, now_ns);
    }
    if (member->phase == SNAPSHOT_TOKEN) {
        if (ops->token_done(snapshot->context, member->cut.epoch)) finish_part(snapshot);
    }
    bool slow = member->phase == SNAPSHOT_RECORDING || member->phase == SNAPSHOT_TOKEN;
    if (slow && now_ns >= member->report_ns) report(snapshot, now_ns);
}

void snapshot_member_durable(struct snapshot *snapshot, const snapshot_part *part) {
    struct snapshot_membership *member = &snapshot->member;
    struct snapshot_message vote = {.kind = SNAPSHOT_VOTE, .cut = member->cut, .part = *part};
    vote.rows = mem_zalloc(member->view.count, sizeof vote.rows[0]);
    for (size_t i = 0; i < member->view.count; i++) {
        const struct snapshot_peer *peer = &member->peers[i];
        if (snapshot_is_self(snapshot, member->view.members[i].name)) continue;
        struct snapshot_row *row = &vote.rows[vote.rows_count++];
        memcpy(row->peer, member->view.members[i].name, sizeof row->peer);
        row->sent = peer->sent;
        row->marker = peer->marker;
        row->received = peer->received;
        row->recorded = peer->recorded;
    }
    set_phase(member, SNAPSHOT_VOTED);
    snapshot_post(snapshot, member->cut.initiator, &vote);
    snapshot_message_fini(&vote);
}

/* ---- the end -----------------------------------------------------------------------------------
 */

tr_status snapshot_member_commit(struct snapshot *snapshot, const struct snapshot_message *message,
                                 tr_error *error) {
    const uint8_t *manifest = message->manifest_bytes > 0 ? message->manifest : NULL;
    if (!snapshot_member_holds(snapshot, &message->cut)) {
        snapshot_doubt_answer(snapshot, &message->cut, true, manifest, message->manifest_bytes);
        return TR_OK;
    }
    if (snapshot->member.phase != SNAPSHOT_VOTED) {
        return error_set(error, TR_EDATA, NULL, "%s: commit without this node's vote",
                         message->cut.id);
    }
    snapshot_member_keep(snapshot, &message->cut, manifest, message->manifest_bytes);
    return TR_OK;
}

void snapshot_member_abort(struct snapshot *snapshot, const struct snapshot_message *message) {
    struct snapshot_suitor *suitor = NULL;
    for (list_node *node = list_first(&snapshot->suitors); node != NULL;
         node = list_next(&snapshot->suitors, node)) {
        struct snapshot_suitor *each = container_of(node, struct snapshot_suitor, node);
        if (snapshot_cut_compare(&each->cut, &message->cut) == 0) suitor = each;
    }
    if (suitor != NULL) forget_suitor(snapshot, suitor);
    if (snapshot_member_holds(snapshot, &message->cut)) {
        bool begun = snapshot->member.phase >= SNAPSHOT_RECORDING;
        snapshot_log(snapshot, begun ? TR_INFO : TR_DEBUG, "%s: aborted by its initiator: %s: %s",
                     message->cut.id, snapshot_reason_text(message->reason), message->text);
        snapshot_member_discard(snapshot, &message->cut);
    }
    snapshot_doubt_answer(snapshot, &message->cut, false, NULL, 0);
}

/* After its vote a member whose initiator is out of reach cannot know the outcome. */
static void become_doubtful(struct snapshot *snapshot) {
    snapshot_doubt_add(snapshot, &snapshot->member.cut);
    snapshot_member_clear(snapshot);
}

void snapshot_member_peer_lost(struct snapshot *snapshot, const char *peer,
                               enum snapshot_reason reason, const char *text) {
    struct snapshot_membership *member = &snapshot->member;
    snapshot_member_forget_suitors(snapshot, peer);
    if (member->phase == SNAPSHOT_IDLE) return;
    if (snapshot_view_find(&member->view, peer) == SIZE_MAX) return;
    bool initiator = strcmp(member->cut.initiator, peer) == 0;
    if (member->phase == SNAPSHOT_VOTED) {
        if (initiator) become_doubtful(snapshot);
    } else if (initiator) {
        snapshot_log(snapshot, TR_INFO, "%s: given up here: %s: initiator %s: %s", member->cut.id,
                     snapshot_reason_text(reason), peer, text);
        snapshot_member_discard(snapshot, &member->cut);
    } else {
        char words[SNAPSHOT_REASON_BYTES];
        snprintf(words, sizeof words, "%s: %s", peer, text);
        snapshot_member_fail(snapshot, reason, words);
    }
}

void snapshot_member_stop(struct snapshot *snapshot) {
    struct snapshot_membership *member = &snapshot->member;
    snapshot_member_forget_suitors(snapshot, NULL);
    if (member->phase == SNAPSHOT_IDLE) return;
    if (member->phase < SNAPSHOT_VOTED) {
        snapshot_member_fail(snapshot, SNAPSHOT_NODE_STOPS, snapshot->name);
    } else if (!snapshot_is_self(snapshot, member->cut.initiator)) {
        become_doubtful(snapshot);
    }
}
