#include "registry/admission.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "registry/gossip.h"
#include "registry/members_core.h"

void admission_request(struct members *members, struct peer *peer, const struct notice *notice) {
    if (peer->asked == 0) peer->asked = ++members->asked_last;
    peer->told_to_wait = false;
    peer->space = notice->space;
    peer->ordinal = notice->ordinal;
}

static struct peer *next_asking(const struct members *members) {
    struct peer *next = NULL;
    size_t cursor = 0;
    for (struct peer *peer; (peer = map_text_next(&members->peers, &cursor, NULL)) != NULL;) {
        if (peer->asked != 0 && (next == NULL || peer->asked < next->asked)) next = peer;
    }
    return next;
}

static void all_wait(struct members *members, const char *why) {
    size_t cursor = 0;
    for (struct peer *peer; (peer = map_text_next(&members->peers, &cursor, NULL)) != NULL;) {
        if (peer->asked == 0 || peer->told_to_wait) continue;
        peer->told_to_wait = true;
        notice_put_wait(&members->message, why);
        members_send(members, peer);
    }
}

static void all_redirect(struct members *members, const struct member *oldest) {
    for (struct peer *peer; (peer = next_asking(members)) != NULL;) {
        peer->asked = 0;
        notice_put_redirect(&members->message, oldest->name, oldest->endpoint);
        members_send(members, peer);
    }
}

static const struct life *oldest_up(const struct members *members) {
    for (size_t i = 0; i < members->lives.present_count; i++) {
        const struct life *life = members->lives.present[i];
        if (member_is_up(&life->member)) return life;
    }
    return NULL;
}

/* True while the newcomer admitted last is on its way up and has time left for that. */
static bool busy(const struct members *members) {
    if (members->now_ns >= members->admitting_until_ns) return false;
    const struct life *life =
        lives_find(&members->lives, members->admitting, members->admitting_incarnation);
    return life != NULL && life->member.state == MEMBER_JOINING;
}

static void refuse(struct members *members, struct peer *peer, enum notice_refusal refusal,
                   const char *text) {
    peer->asked = 0;
    notice_put_refuse(&members->message, refusal, text);
    members_send(members, peer);
}

static struct life *add_newcomer(struct members *members, const struct peer *peer) {
    struct lives *lives = &members->lives;
    struct life_notice notice = {.incarnation = peer->incarnation,
                                 .space = peer->space,
                                 .admission = lives->admission_max + 1,
                                 .ordinal = lives_next_ordinal(lives, peer->name),
                                 .state = MEMBER_JOINING};
    if (notice.ordinal < peer->ordinal) notice.ordinal = peer->ordinal;
    snprintf(notice.name, sizeof(notice.name), "%s", peer->name);
    snprintf(notice.endpoint, sizeof(notice.endpoint), "%s", peer->endpoint);
    snprintf(notice.control, sizeof(notice.control), "%s", peer->control);
    memcpy(notice.public_key, peer->public_key, MEMBER_KEY_BYTES);
    return gossip_add(members, &notice);
}

static void admit(struct members *members, struct peer *peer) {
    struct life *life = add_newcomer(members, peer);
    if (life == NULL) {
        refuse(members, peer, NOTICE_TABLE_FULL, "the table of members is full");
        return;
    }
    peer->asked = 0;
    snprintf(members->admitting, sizeof(members->admitting), "%s", peer->name);
    members->admitting_incarnation = peer->incarnation;
    members->admitting_until_ns = members->now_ns + members->detector.suspect_after_ns;
    gossip_tell(members, life, NULL);
    gossip_settle(members, peer);
}

static void decide(struct members *members, struct peer *peer) {
    const struct lives *lives = &members->lives;
    const struct life *present = lives_present(lives, peer->name);
    char text[NOTICE_TEXT_BYTES];
    if (lives_find(lives, peer->name, peer->incarnation) != NULL) {
        peer->asked = 0; /* admitted before; it learns that from our view */
        gossip_settle(members, peer);
    } else if (present != NULL && present->member.incarnation > peer->incarnation) {
        snprintf(text, sizeof(text),
                 "a newer life of that name is known, incarnation %" PRIu64 " against %" PRIu64,
                 present->member.incarnation, peer->incarnation);
        refuse(members, peer, NOTICE_NAME_TAKEN, text);
    } else if (lives_by_space(lives, peer->space) != NULL) {
        refuse(members, peer, NOTICE_SPACE_TAKEN, "its space's number is taken");
    } else {
        admit(members, peer);
    }
}

void admission_step(struct members *members) {
    struct peer *peer = next_asking(members);
    if (peer == NULL) return;
    const struct life *oldest = oldest_up(members);
    if (members->self->member.state != MEMBER_UP || oldest == NULL) {
        all_wait(members, "this member is not up itself yet");
        return;
    }
    if (oldest != members->self) {
        all_redirect(members, &oldest->member);
        return;
    }
    if (members_frozen(members)) {
        all_wait(members, "a snapshot is under way; nobody is admitted until it ends");
        return;
    }
    for (; peer != NULL && !busy(members); peer = next_asking(members)) decide(members, peer);
    if (peer != NULL) all_wait(members, "another node is being admitted");
}
