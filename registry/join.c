#include "registry/join.h"

#include <stdio.h>
#include <string.h>

#include "node/base/memory.h"
#include "registry/members_core.h"

static const uint64_t answer_after_ns = UINT64_C(2000000000); /* then the request goes out again */
static const uint64_t redirect_for_ns = UINT64_C(3000000000); /* then anybody will do */
static const uint64_t refused_pause_ns = UINT64_C(5000000000);
static const uint64_t report_every_ns = UINT64_C(10000000000);

void join_init(struct join *join, const struct members_options *options, uint64_t now_ns) {
    *join = (struct join){.report_ns = now_ns};
    if (options->seed_count == 0) return;
    join->seeds = mem_zalloc(options->seed_count, sizeof(join->seeds[0]));
    for (size_t i = 0; i < options->seed_count; i++) {
        const struct members_seed *from = &options->seeds[i];
        if (strcmp(from->endpoint, options->endpoint) == 0) continue;
        struct join_seed *seed = &join->seeds[join->seed_count++];
        seed->endpoint = mem_strdup(from->endpoint);
        seed->name = mem_strdup(from->name == NULL ? "" : from->name);
        backoff_init(&seed->backoff, now_ns);
    }
}

void join_fini(struct join *join) {
    for (size_t i = 0; i < join->seed_count; i++) {
        mem_free(join->seeds[i].endpoint);
        mem_free(join->seeds[i].name);
    }
    mem_free(join->seeds);
    *join = (struct join){0};
}

/* ---- looking for members ---- */

static void report_seeking(struct members *members) {
    struct join *join = &members->join;
    if (members->now_ns < join->report_ns || join->seed_count == 0) return;
    join->report_ns = members->now_ns + report_every_ns;
    members_report(members, TR_OK, "looking for a member of the cluster at %s%s",
                   join->seeds[0].endpoint, join->seed_count > 1 ? " and other seeds" : "");
}

static void dial_seeds(struct members *members) {
    struct join *join = &members->join;
    for (size_t i = 0; i < join->seed_count; i++) {
        struct join_seed *seed = &join->seeds[i];
        if (seed->name[0] != '\0' && members_peer(members, seed->name) != NULL) continue;
        if (!backoff_due(&seed->backoff, members->now_ns, &members->random)) continue;
        members->ops.dial(members->ops.context, seed->endpoint, seed->name);
    }
    report_seeking(members);
}

static void dial_redirect(struct members *members) {
    struct join *join = &members->join;
    if (members_peer(members, join->redirect_name) != NULL) return;
    if (!backoff_due(&join->redirect, members->now_ns, &members->random)) return;
    members->ops.dial(members->ops.context, join->redirect_endpoint, join->redirect_name);
}

/* The next peer, after the one asked last, that says it is up; NULL when there is none. */
static struct peer *next_candidate(const struct members *members) {
    struct peer *first = NULL;
    bool passed = false;
    size_t cursor = 0;
    for (struct peer *peer; (peer = map_text_next(&members->peers, &cursor, NULL)) != NULL;) {
        bool last_asked = strcmp(peer->name, members->join.target) == 0;
        if (peer->state == MEMBER_UP && first == NULL) first = peer;
        if (peer->state == MEMBER_UP && passed) return peer;
        if (last_asked) passed = true;
    }
    return first;
}

static struct peer *redirect_candidate(const struct members *members) {
    struct peer *peer = members_peer(members, members->join.redirect_name);
    return peer != NULL && peer->state == MEMBER_UP ? peer : NULL;
}

static void ask(struct members *members, const struct peer *peer) {
    struct join *join = &members->join;
    const struct member *self = &members->self->member;
    join->asked = true;
    join->retry_ns = members->now_ns + answer_after_ns;
    snprintf(join->target, sizeof(join->target), "%s", peer->name);
    notice_put_join(&members->message, self->space, self->ordinal);
    members_send(members, peer);
}

static void seek(struct members *members) {
    bool redirected = members->now_ns < members->join.redirect_until_ns;
    struct peer *peer = redirected ? redirect_candidate(members) : next_candidate(members);
    if (peer != NULL) {
        ask(members, peer);
    } else if (redirected) {
        dial_redirect(members);
    } else {
        dial_seeds(members);
    }
}

/* True when somebody that is up is at the other end of a session. */
static bool in_touch(const struct members *members) {
    size_t cursor = 0;
    for (struct peer *peer; (peer = map_text_next(&members->peers, &cursor, NULL)) != NULL;) {
        if (peer->state == MEMBER_UP) return true;
    }
    return false;
}

void join_step(struct members *members) {
    struct join *join = &members->join;
    if (members_admitted(members)) {
        if (members->self->member.state == MEMBER_JOINING && !in_touch(members)) {
            dial_seeds(members);
        }
        return;
    }
    if (join->asked) {
        bool lost = members_peer(members, join->target) == NULL;
        if (!lost && members->now_ns < join->retry_ns) return;
        join->asked = false;
    }
    seek(members);
}

/* ---- answers ---- */

static void on_refuse(struct members *members, const char *peer, const struct notice *notice) {
    struct join *join = &members->join;
    join->asked = false;
    if (notice->refusal == NOTICE_SPACE_TAKEN) {
        uint64_t space = random_u64(&members->random);
        lives_set_space(&members->lives, members->self, space == 0 ? 1 : space);
        members->version++;
        return;
    }
    members_report(members, TR_EREFUSED, "%s refuses to admit %s: %s", peer, members->name,
                   notice->text);
    join->asked = true;
    join->retry_ns = members->now_ns + refused_pause_ns;
}

static void on_redirect(struct members *members, const struct notice *notice) {
    struct join *join = &members->join;
    join->asked = false;
    snprintf(join->redirect_name, sizeof(join->redirect_name), "%s", notice->name);
    snprintf(join->redirect_endpoint, sizeof(join->redirect_endpoint), "%s", notice->endpoint);
    join->redirect_until_ns = members->now_ns + redirect_for_ns;
    backoff_init(&join->redirect, members->now_ns);
}

/* Another node of our name has taken our place; we go on, as in a partition, but say so. */
static void on_dismissal(struct members *members, const char *peer) {
    if (members->superseded) return;
    members->superseded = true;
    members_report(members, TR_EEXIST,
                   "%s knows a newer life of %s; is another node of that name running?", peer,
                   members->name);
}

/* Comes as the answer to a request, or unasked as soon as a session begins. */
static void on_name_taken(struct members *members, const char *peer, const struct notice *notice) {
    if (members_admitted(members)) {
        on_dismissal(members, peer);
    } else {
        on_refuse(members, peer, notice);
    }
}

void join_answered(struct members *members, const char *peer, const struct notice *notice) {
    struct join *join = &members->join;
    if (notice->kind == NOTICE_REFUSE && notice->refusal == NOTICE_NAME_TAKEN) {
        on_name_taken(members, peer, notice);
        return;
    }
    if (members_admitted(members) || !join->asked || strcmp(peer, join->target) != 0) return;
    join->redirect_until_ns = 0;
    if (notice->kind == NOTICE_WAIT) {
        join->retry_ns = members->now_ns + answer_after_ns;
        members_report(members, TR_OK, "%s says: %s", peer, notice->text);
    } else if (notice->kind == NOTICE_REDIRECT) {
        on_redirect(members, notice);
    } else if (notice->kind == NOTICE_REFUSE) {
        on_refuse(members, peer, notice);
    }
}
