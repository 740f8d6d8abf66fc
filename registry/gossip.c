#include "registry/gossip.h"

#include <inttypes.h>
#include <string.h>

#include "registry/members_core.h"

static const uint64_t newcomer_pause_ns = UINT64_C(1000000000); /* it dials first, we only then */
static const uint64_t left_pause_ns = UINT64_C(1000000000);     /* our answer gets so long to go */

/* ---- sending ---- */

static enum member_state own_state(const struct members *members) {
    return members_admitted(members) ? members->self->member.state : MEMBER_UNKNOWN;
}

void gossip_greet(struct members *members, const struct peer *peer) {
    const struct life *self = members_admitted(members) ? members->self : NULL;
    notice_put_greet(&members->message, own_state(members), self);
    members_send(members, peer);
}

void gossip_tell(struct members *members, const struct life *life, const struct peer *except) {
    size_t cursor = 0;
    for (struct peer *peer; (peer = map_text_next(&members->peers, &cursor, NULL)) != NULL;) {
        if (peer == except || !peer->view_sent) continue;
        notice_put_view(&members->message, own_state(members), true, 1);
        notice_put_life(&members->message, life);
        members_send(members, peer);
    }
}

static void send_whole_view(struct members *members, struct peer *peer) {
    size_t left = map_text_count(&members->lives.by_life);
    size_t cursor = 0;
    while (left > 0) {
        size_t count = left < NOTICE_LIVES_MAX ? left : NOTICE_LIVES_MAX;
        left -= count;
        notice_put_view(&members->message, own_state(members), left == 0, (uint32_t)count);
        for (size_t i = 0; i < count; i++) {
            notice_put_life(&members->message, lives_next(&members->lives, &cursor));
        }
        members_send(members, peer);
    }
    peer->view_sent = true;
}

/* ---- learning ---- */

static void first_state(struct members *members, struct life *life, enum member_state told) {
    if (told == MEMBER_LEFT) {
        members_set_state(members, life, MEMBER_LEFT, "left before this node knew it");
    } else if (life->replaced || told == MEMBER_DOWN) {
        members_set_state(members, life, MEMBER_DOWN, "down before this node knew it");
    } else {
        life->meet_by_ns = members->now_ns + members->detector.down_after_ns;
        uint64_t pause_ns = members->self->member.state == MEMBER_UP && told == MEMBER_JOINING
                                ? newcomer_pause_ns
                                : 0;
        backoff_init(&life->redial, members->now_ns + pause_ns);
        members_set_state(members, life, MEMBER_JOINING, "admitted");
    }
}

/* A newer life of its name is known: whatever that one was, it is over. */
static void end_replaced(struct members *members, struct life *life) {
    if (life == NULL || life == members->self) return;
    struct peer *peer = members_peer(members, life->name);
    if (peer != NULL && peer->incarnation == life->member.incarnation) {
        members_end_session(members, peer, "replaced by a newer life of its node");
    }
    if (life->member.state == MEMBER_LEFT) return;
    members_set_state(members, life, MEMBER_DOWN, "replaced by a newer life of its node");
}

static void notice_superseded(struct members *members, const struct life_notice *notice) {
    if (members->superseded || strcmp(notice->name, members->name) != 0) return;
    if (notice->incarnation <= members->self->member.incarnation) return;
    members->superseded = true;
    members_report(members, TR_EEXIST,
                   "a newer life of %s is in the cluster, incarnation %" PRIu64 " against %" PRIu64
                   "; is another node of that name running?",
                   members->name, notice->incarnation, members->self->member.incarnation);
}

struct life *gossip_add(struct members *members, const struct life_notice *notice) {
    struct life *life = lives_add(&members->lives, notice);
    if (life == NULL) return NULL;
    first_state(members, life, notice->state);
    if (!life->replaced) end_replaced(members, life->before);
    notice_superseded(members, notice);
    return life;
}

/* A newcomer must meet all that the members see up before it is up itself. */
static void await(struct members *members, struct life *life, enum member_state told) {
    if (members->self->member.state != MEMBER_JOINING || life == members->self) return;
    if (told != MEMBER_UP && told != MEMBER_SUSPECT) return;
    if (life->awaited || life->replaced || member_is_up(&life->member)) return;
    if (life->member.state == MEMBER_LEFT) return;
    life->awaited = true;
    life->meet_by_ns = members->now_ns + members->detector.down_after_ns;
}

static bool merge_known(struct members *members, struct life *life,
                        const struct life_notice *notice) {
    bool was_replaced = life->replaced;
    bool changed = lives_merge(&members->lives, life, notice);
    if (changed) members->version++;
    if (life->replaced && !was_replaced) end_replaced(members, life);
    if (notice->state == MEMBER_LEFT && life->member.state != MEMBER_LEFT &&
        life != members->self) {
        members_set_state(members, life, MEMBER_LEFT, "left the cluster");
        changed = true;
    }
    return changed;
}

static void learn(struct members *members, const struct peer *from,
                  const struct life_notice *notice) {
    struct life *life = lives_find(&members->lives, notice->name, notice->incarnation);
    bool was_admitted = members_admitted(members);
    bool changed = true;
    if (life == NULL) {
        life = gossip_add(members, notice);
    } else {
        changed = merge_known(members, life, notice);
    }
    if (life == NULL) {
        members_report(members, TR_EFULL, "no room to remember %s of incarnation %" PRIu64,
                       notice->name, notice->incarnation);
        return;
    }
    await(members, life, notice->state);
    if (changed) gossip_tell(members, life, from);
    if (!was_admitted && members_admitted(members)) {
        members_report(members, TR_OK, "admitted; meeting the other members");
    }
}

/* The peer says it has left: it is, whatever others say, and our answer lets it go at once. */
static void on_left(struct members *members, struct peer *peer) {
    struct life *life = lives_find(&members->lives, peer->name, peer->incarnation);
    if (life != NULL) members_set_state(members, life, MEMBER_LEFT, "left the cluster");
    if (peer->close_ns == 0) peer->close_ns = members->now_ns + left_pause_ns;
    notice_put_left(&members->message);
    members_send(members, peer);
}

void gossip_receive(struct members *members, struct peer *peer, struct notice *notice) {
    if (peer->close_ns != 0) return;
    char name[MEMBER_NAME_BYTES];
    memcpy(name, peer->name, sizeof(name));
    uint64_t session = peer->session;
    peer->state = notice->state;
    for (uint32_t i = 0; i < notice->life_count; i++) {
        struct life_notice life;
        notice_next_life(notice, &life);
        learn(members, peer, &life);
        /* What it told may have ended its own session. */
        peer = members_peer(members, name);
        if (peer == NULL || peer->session != session) return;
    }
    if (notice->kind == NOTICE_VIEW && notice->last) peer->view_received = true;
    if (notice->state == MEMBER_LEFT) on_left(members, peer);
}

/* ---- being up ---- */

void gossip_settle(struct members *members, struct peer *peer) {
    if (!members_admitted(members) || members->leaving || peer->close_ns != 0) return;
    struct life *life = lives_find(&members->lives, peer->name, peer->incarnation);
    if (life == NULL || life->replaced || life->member.state == MEMBER_LEFT) return;
    life->member.session = peer->session;
    if (!peer->view_sent && members_frozen(members)) return;
    if (!peer->view_sent) send_whole_view(members, peer);
    if (!peer->view_received) return;
    if (peer->state == MEMBER_UP && !member_is_up(&life->member)) {
        if (!members_frozen(members)) members_set_state(members, life, MEMBER_UP, "met");
    } else if (peer->state == MEMBER_JOINING && life->member.state == MEMBER_DOWN) {
        life->meet_by_ns = members->now_ns + members->detector.down_after_ns;
        members_set_state(members, life, MEMBER_JOINING, "met again");
    }
}
