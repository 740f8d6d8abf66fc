#include "registry/members.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "registry/admission.h"
#include "registry/gossip.h"
#include "registry/home.h"
#include "registry/members_core.h"

static const uint64_t ns_per_ms = UINT64_C(1000000);
static const uint64_t dismissal_ns = UINT64_C(1000000000);

static uint64_t or_default(uint64_t ms, uint64_t default_ms) {
    return (ms == 0 ? default_ms : ms) * ns_per_ms;
}

/* ---- making ---- */

static void check_options(const struct members_options *options) {
    check(member_name_valid(options->name));
    check(options->incarnation != 0);
    check(options->endpoint != NULL && strlen(options->endpoint) < MEMBER_ENDPOINT_BYTES);
    check(options->control == NULL || strlen(options->control) < MEMBER_ENDPOINT_BYTES);
}

/* Puts this node's own life into the table; the founder's is admitted by that. */
static void add_self(struct members *members, const struct members_options *options) {
    struct life_notice notice = {.incarnation = options->incarnation,
                                 .space = options->space,
                                 .ordinal = options->ordinal,
                                 .admission = members->founder ? 1 : LIVES_NOT_ADMITTED};
    while (notice.space == 0) notice.space = random_u64(&members->random);
    snprintf(notice.name, sizeof(notice.name), "%s", options->name);
    snprintf(notice.endpoint, sizeof(notice.endpoint), "%s", options->endpoint);
    snprintf(notice.control, sizeof(notice.control), "%s",
             options->control == NULL ? "" : options->control);
    memcpy(notice.public_key, options->public_key, MEMBER_KEY_BYTES);
    members->self = lives_add(&members->lives, &notice);
    members->lives.self = members->self;
    members->self->member.state = MEMBER_JOINING;
    members->self->member.since_ns = members->now_ns;
}

struct members *members_new(const struct members_options *options, const struct members_ops *ops,
                            uint64_t now_ns) {
    check_options(options);
    struct members *members = mem_zalloc(1, sizeof(*members));
    members->ops = *ops;
    members->now_ns = now_ns;
    members->leave_after_ns = or_default(options->leave_after_ms, 1000);
    snprintf(members->name, sizeof(members->name), "%s", options->name);
    random_seed(&members->random, options->random_seed);
    detector_init(&members->detector, or_default(options->suspect_after_ms, 3000),
                  or_default(options->down_after_ms, 10000), now_ns);
    lives_init(&members->lives, MEMBERS_LIVES_MAX);
    map_text_init(&members->peers);
    buffer_init(&members->message);
    join_init(&members->join, options, now_ns);
    members->founder = members->join.seed_count == 0;
    add_self(members, options);
    return members;
}

void members_free(struct members *members) {
    if (members == NULL) return;
    size_t cursor = 0;
    for (struct peer *peer; (peer = map_text_next(&members->peers, &cursor, NULL)) != NULL;) {
        mem_free(peer);
    }
    map_text_fini(&members->peers);
    lives_fini(&members->lives);
    join_fini(&members->join);
    buffer_fini(&members->message);
    mem_free(members);
}

/* ---- for the machine's other files ---- */

void members_report(struct members *members, tr_status status, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    members->ops.report(members->ops.context, status, text);
}

void members_send(struct members *members, const struct peer *peer) {
    check(members->message.bytes <= MEMBERS_MESSAGE_BYTES_MAX);
    members->ops.send(members->ops.context, peer->name, members->message.data,
                      members->message.bytes);
    buffer_clear(&members->message);
}

struct peer *members_peer(const struct members *members, const char *name) {
    return map_text_find(&members->peers, name);
}

void members_set_state(struct members *members, struct life *life, enum member_state state,
                       const char *format, ...) {
    struct member *member = &life->member;
    enum member_state old_state = member->state;
    if (state == old_state) return;
    check(old_state != MEMBER_LEFT);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(life->reason, sizeof(life->reason), format, arguments);
    va_end(arguments);
    member->state = state;
    member->since_ns = members->now_ns;
    members->version++;
    if (member_is_up(member) || state == MEMBER_LEFT) life->awaited = false;
    if (state == MEMBER_DOWN) {
        uint64_t pause_ns = random_below(&members->random, BACKOFF_FIRST_NS);
        backoff_init(&life->redial, members->now_ns + pause_ns);
    }
    lives_rank(&members->lives);
    members->ops.changed(members->ops.context, member, old_state);
}

/* Forgets a session that has ended; the life at its other end goes down by that. */
static void forget_session(struct members *members, struct peer *peer, const char *reason) {
    map_text_remove(&members->peers, peer->name);
    struct life *life = lives_find(&members->lives, peer->name, peer->incarnation);
    if (life != NULL) {
        life->member.session = 0;
        /* A node that leaves judges nobody any more. */
        if (life->member.state != MEMBER_LEFT && !members->leaving) {
            members_set_state(members, life, MEMBER_DOWN, "%s", reason);
        }
    }
    mem_free(peer);
}

void members_end_session(struct members *members, struct peer *peer, const char *reason) {
    char name[MEMBER_NAME_BYTES];
    memcpy(name, peer->name, sizeof(name));
    forget_session(members, peer, reason);
    members->ops.hang_up(members->ops.context, name, reason);
}

/* ---- coming up ---- */

/* A newcomer is up once it has met all that it must meet, and one at least. */
static bool has_met_all(const struct members *members) {
    bool met_one = members->founder;
    for (size_t i = 0; i < members->lives.present_count; i++) {
        const struct life *life = members->lives.present[i];
        if (life == members->self) continue;
        if (life->awaited && !life->replaced) return false;
        if (member_is_up(&life->member)) met_one = true;
    }
    return met_one;
}

/* Those that have our view hear it from that; the others, newcomers perhaps that wait for somebody
 * to ask, from a second greeting. */
static void announce_up(struct members *members) {
    gossip_tell(members, members->self, NULL);
    size_t cursor = 0;
    for (struct peer *peer; (peer = map_text_next(&members->peers, &cursor, NULL)) != NULL;) {
        if (!peer->view_sent && peer->close_ns == 0) gossip_greet(members, peer);
    }
}

static void try_up(struct members *members) {
    if (members->self->member.state != MEMBER_JOINING || !members_admitted(members)) return;
    if (members_frozen(members) || !has_met_all(members)) return;
    members_set_state(members, members->self, MEMBER_UP,
                      members->founder ? "founded the cluster" : "met all members");
    announce_up(members);
}

static void settle_all(struct members *members) {
    size_t cursor = 0;
    for (struct peer *peer; (peer = map_text_next(&members->peers, &cursor, NULL)) != NULL;) {
        gossip_settle(members, peer);
    }
}

/* Everybody that is not up is dialled for ever, unless it has left. One whose life is known to be
 * over is dialled too: its next life may be looking for us, and all other ways may be gone. */
static void redial(struct members *members, struct life *life) {
    if (life->endpoint[0] == '\0') return;
    if (life->member.state != MEMBER_JOINING && life->member.state != MEMBER_DOWN) return;
    if (!backoff_due(&life->redial, members->now_ns, &members->random)) return;
    members->ops.dial(members->ops.context, life->endpoint, life->name);
}

static void redial_all(struct members *members) {
    for (size_t i = 0; i < members->lives.present_count; i++) {
        struct life *life = members->lives.present[i];
        if (life == members->self || members_peer(members, life->name) != NULL) continue;
        redial(members, life);
    }
}

static void finish_leave(struct members *members) {
    if (!members->leaving || members->left) return;
    if (members->now_ns < members->leave_ns && map_text_count(&members->peers) > 0) return;
    members->left = true;
    members->ops.left(members->ops.context);
}

/* The end of every input: whatever has become possible by it. */
static void advance(struct members *members) {
    if (members->leaving) {
        finish_leave(members);
        return;
    }
    settle_all(members);
    try_up(members);
    admission_step(members);
    join_step(members);
    redial_all(members);
}

/* ---- inputs ---- */

static struct peer *new_peer(struct members *members, const struct members_peer *from) {
    struct peer *peer = mem_zalloc(1, sizeof(*peer));
    snprintf(peer->name, sizeof(peer->name), "%s", from->name);
    snprintf(peer->endpoint, sizeof(peer->endpoint), "%s", from->endpoint);
    snprintf(peer->control, sizeof(peer->control), "%s",
             from->control == NULL ? "" : from->control);
    if (from->public_key != NULL) memcpy(peer->public_key, from->public_key, MEMBER_KEY_BYTES);
    peer->incarnation = from->incarnation;
    peer->session = from->session;
    peer->heard_ns = members->now_ns;
    map_text_put(&members->peers, peer->name, peer);
    return peer;
}

/* Why there is nothing to talk about with this peer; NULL: there is. */
static const char *unwelcome(const struct members *members, const struct members_peer *peer) {
    const struct life *life = lives_find(&members->lives, peer->name, peer->incarnation);
    if (members->leaving) return "this node has left the cluster";
    if (strcmp(peer->name, members->name) == 0) return "it has this node's own name";
    if (map_text_count(&members->peers) >= MEMBERS_SESSIONS_MAX) return "too many sessions";
    if (life != NULL && life->member.state == MEMBER_LEFT) return "it has left the cluster";
    return NULL;
}

/* True when a newer life of the peer's node is known: two nodes go by one name, or it is a ghost.
 * Either way it is told, and the session ends when it has had time to read that. */
static bool dismiss_replaced(struct members *members, struct peer *peer) {
    const struct life *present = lives_present(&members->lives, peer->name);
    const struct life *life = lives_find(&members->lives, peer->name, peer->incarnation);
    bool older = present != NULL && present->member.incarnation > peer->incarnation;
    if (!older && (life == NULL || !life->replaced)) return false;
    peer->close_ns = members->now_ns + dismissal_ns;
    notice_put_refuse(&members->message, NOTICE_NAME_TAKEN, "a newer life of that name is known");
    members_send(members, peer);
    return true;
}

/* The life before the one at the other end is over, though the new one is no member yet. */
static void end_earlier_life(struct members *members, const struct peer *peer) {
    struct life *life = lives_present(&members->lives, peer->name);
    if (life == NULL || life->member.incarnation >= peer->incarnation) return;
    life->replaced = true;
    if (life->member.state == MEMBER_LEFT) return;
    members_set_state(members, life, MEMBER_DOWN, "its node came back with a new incarnation");
}

void members_session_up(struct members *members, const struct members_peer *from, uint64_t now_ns) {
    members->now_ns = now_ns;
    check(member_name_valid(from->name) && from->session != 0);
    check(strlen(from->endpoint) < MEMBER_ENDPOINT_BYTES);
    struct peer *old = members_peer(members, from->name);
    bool known = old != NULL && old->session == from->session;
    if (known && old->incarnation == from->incarnation) return;
    if (old != NULL) forget_session(members, old, "a new session has replaced the old one");
    const char *reason = unwelcome(members, from);
    if (reason != NULL) {
        members->ops.hang_up(members->ops.context, from->name, reason);
        return;
    }
    struct peer *peer = new_peer(members, from);
    if (dismiss_replaced(members, peer)) return;
    end_earlier_life(members, peer);
    gossip_greet(members, peer);
    advance(members);
}

void members_session_down(struct members *members, const char *name, uint64_t session,
                          const char *reason, uint64_t now_ns) {
    struct peer *peer = members_peer(members, name);
    if (peer == NULL || peer->session != session) return;
    members->now_ns = now_ns;
    forget_session(members, peer, reason);
    advance(members);
}

void members_heard(struct members *members, const char *name, uint64_t now_ns) {
    struct peer *peer = members_peer(members, name);
    if (peer == NULL) return;
    if (now_ns > peer->heard_ns) peer->heard_ns = now_ns;
    if (!peer->suspected) return;
    peer->suspected = false;
    struct life *life = lives_find(&members->lives, name, peer->incarnation);
    if (life == NULL || life->member.state != MEMBER_SUSPECT) return;
    members->now_ns = now_ns;
    members_set_state(members, life, MEMBER_UP, "heard again");
}

static void handle(struct members *members, struct peer *peer, struct notice *notice) {
    switch (notice->kind) {
        case NOTICE_GREET:
        case NOTICE_VIEW:
            gossip_receive(members, peer, notice);
            break;
        case NOTICE_JOIN:
            admission_request(members, peer, notice);
            break;
        case NOTICE_WAIT:
        case NOTICE_REDIRECT:
        case NOTICE_REFUSE:
            join_answered(members, peer->name, notice);
            break;
        case NOTICE_LEFT:
            if (members->leaving) forget_session(members, peer, "this node has left");
            break;
    }
    advance(members);
}

tr_status members_receive(struct members *members, const char *name, const uint8_t *bytes,
                          size_t byte_count, uint64_t now_ns, tr_error *error) {
    struct peer *peer = members_peer(members, name);
    if (peer == NULL) return TR_OK; /* what is left of a session that has ended */
    members->now_ns = now_ns;
    tr_error local;
    struct notice notice;
    tr_status status = notice_decode(bytes, byte_count, name, &notice, &local);
    if (status == TR_OK) {
        handle(members, peer, &notice);
        return TR_OK;
    }
    if (error != NULL) *error = local;
    members_report(members, status, "%s", local.message);
    members_end_session(members, peer, "it sent a malformed message");
    advance(members);
    return status;
}

/* ---- time ---- */

static void judge_silence(struct members *members, struct peer *peer) {
    struct detector *detector = &members->detector;
    enum verdict verdict = detector_judge(detector, peer->heard_ns, members->now_ns);
    if (verdict == VERDICT_ALIVE) return;
    uint64_t silence_ms = (members->now_ns - peer->heard_ns) / ns_per_ms;
    char reason[MEMBER_REASON_BYTES];
    snprintf(reason, sizeof(reason), "silent for %" PRIu64 " ms", silence_ms);
    if (verdict == VERDICT_DOWN) {
        members_end_session(members, peer, reason);
        return;
    }
    struct life *life = lives_find(&members->lives, peer->name, peer->incarnation);
    if (life != NULL && life->member.state == MEMBER_UP) {
        peer->suspected = true;
        members_set_state(members, life, MEMBER_SUSPECT, "%s", reason);
    }
}

static void tick_peers(struct members *members, uint64_t missed_ns) {
    size_t cursor = 0;
    for (struct peer *peer; (peer = map_text_next(&members->peers, &cursor, NULL)) != NULL;) {
        uint64_t heard_ns = peer->heard_ns + missed_ns;
        peer->heard_ns = heard_ns < members->now_ns ? heard_ns : members->now_ns;
        if (peer->close_ns != 0 && members->now_ns >= peer->close_ns) {
            members_end_session(members, peer, "it has left, or was replaced by a newer life");
        } else {
            judge_silence(members, peer);
        }
    }
}

static void tick_lives(struct members *members, uint64_t missed_ns) {
    for (size_t i = 0; i < members->lives.present_count; i++) {
        struct life *life = members->lives.present[i];
        if (life == members->self || members_peer(members, life->name) != NULL) continue;
        life->meet_by_ns += missed_ns;
        if (members->now_ns < life->meet_by_ns) continue;
        life->awaited = false;
        if (life->member.state == MEMBER_JOINING) {
            members_set_state(members, life, MEMBER_DOWN, "not met in time");
        }
    }
}

uint64_t members_tick(struct members *members, uint64_t now_ns) {
    members->now_ns = now_ns;
    uint64_t missed_ns = detector_tick(&members->detector, now_ns);
    if (!members->leaving) {
        tick_peers(members, missed_ns);
        tick_lives(members, missed_ns);
    }
    advance(members);
    return now_ns + members->detector.period_ns;
}

/* ---- leaving ---- */

void members_leave(struct members *members, uint64_t now_ns) {
    if (members->leaving) return;
    members->now_ns = now_ns;
    members->leaving = true;
    members->leave_ns = now_ns + members->leave_after_ns;
    members_set_state(members, members->self, MEMBER_LEFT, "asked to leave");
    if (members_admitted(members)) gossip_tell(members, members->self, NULL);
    size_t cursor = 0;
    for (struct peer *peer; (peer = map_text_next(&members->peers, &cursor, NULL)) != NULL;) {
        if (peer->view_sent) continue; /* the others know nothing of us and will not answer */
        map_text_remove(&members->peers, peer->name);
        mem_free(peer);
    }
    finish_leave(members);
}

/* ---- lookups ---- */

static const struct member *member_of(const struct life *life) {
    return life == NULL ? NULL : &life->member;
}

const struct member *members_self(const struct members *members) {
    return &members->self->member;
}

bool members_ready(const struct members *members) {
    return members->self->member.state == MEMBER_UP;
}

const struct member *members_find_by_name(const struct members *members, const char *name) {
    return member_of(lives_present(&members->lives, name));
}

const struct member *members_find_by_space(const struct members *members, uint64_t space) {
    return member_of(lives_by_space(&members->lives, space));
}

const struct member *members_find_by_ordinal(const struct members *members, const char *name,
                                             uint32_t ordinal) {
    return member_of(lives_by_ordinal(&members->lives, name, ordinal));
}

size_t members_count(const struct members *members) {
    return members->lives.present_count;
}

const struct member *members_at(const struct members *members, size_t index) {
    if (index >= members->lives.present_count) return NULL;
    return &members->lives.present[index]->member;
}

const struct member *members_next(const struct members *members, size_t *cursor) {
    return member_of(lives_next(&members->lives, cursor));
}

size_t members_view(const struct members *members, struct member_life *lives_out,
                    size_t count_max) {
    size_t count = 0;
    for (size_t i = 0; i < members->lives.present_count; i++) {
        const struct member *member = &members->lives.present[i]->member;
        if (!member_is_up(member)) continue;
        if (count < count_max) {
            lives_out[count] =
                (struct member_life){member->name, member->incarnation, member->session};
        }
        count++;
    }
    return count;
}

/* A sum, so that the order (which differs while ages are still being merged) does not matter. */
uint64_t members_view_digest(const struct members *members) {
    uint64_t digest = 0;
    for (size_t i = 0; i < members->lives.present_count; i++) {
        const struct member *member = &members->lives.present[i]->member;
        if (!member_is_up(member)) continue;
        char incarnation[24];
        snprintf(incarnation, sizeof(incarnation), "%" PRIu64, member->incarnation);
        digest += home_weight(member->name, incarnation);
    }
    return digest;
}

uint64_t members_version(const struct members *members) {
    return members->version;
}
