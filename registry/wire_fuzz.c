/*
 * wire_fuzz.c - outside bytes, nearly right, into both machines of the registry.
 *
 * usage: wire_fuzz [SEED [ROUNDS]]. In each round a members machine and a name service with two
 * peers get messages that are well formed with random content, damaged, or plain noise, between
 * claims, drops, ticks, new sessions and changes of the list. Nothing may crash, grow past its
 * bounds, or change a machine by a message that it refuses. Run it with sanitizers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/buffer.h"
#include "node/base/check.h"
#include "node/base/random.h"
#include "registry/members.h"
#include "registry/names.h"
#include "registry/names_message.h"
#include "registry/notice.h"

enum { ROUNDS = 3000, STEPS = 60, PEERS = 2 };

struct fuzz {
    random_state random;
    struct members *members;
    struct names *names;
    uint64_t now_ns;
    uint64_t sessions[PEERS];
    uint64_t requests;
    struct buffer message;
    struct lives lives; /* to describe random ones */
    unsigned accepted;
    unsigned refused;
};

static const char *const peers[PEERS] = {"n2", "n3"};

static uint64_t below(struct fuzz *fuzz, uint64_t bound) {
    return random_below(&fuzz->random, bound);
}

/* ---- ops ---- */

static void on_send(void *context, const char *peer, const uint8_t *bytes, size_t byte_count) {
    struct notice notice;
    (void)context;
    check(notice_decode(bytes, byte_count, peer, &notice, NULL) == TR_OK);
}

static void on_names_send(void *context, const char *node, const uint8_t *bytes,
                          size_t byte_count) {
    struct names_message message;
    (void)context;
    check(names_message_decode(bytes, byte_count, node, &message, NULL) == TR_OK);
}

static void on_dial(void *context, const char *endpoint, const char *name) {
    (void)context;
    check(endpoint[0] != '\0' && name != NULL);
}

static void on_hang_up(void *context, const char *peer, const char *reason) {
    struct fuzz *fuzz = context;
    (void)reason;
    for (int i = 0; i < PEERS; i++) {
        if (strcmp(peer, peers[i]) == 0) fuzz->sessions[i] = 0;
    }
}

static void on_changed(void *context, const struct member *member, enum member_state old_state) {
    (void)context;
    check(member->state != old_state);
}

static bool on_frozen(void *context) {
    return below(context, 8) == 0;
}

static void on_report(void *context, tr_status status, const char *text) {
    (void)context;
    (void)status;
    check(text != NULL);
}

static void on_left(void *context) {
    (void)context;
}

static void on_claimed(void *context, uint64_t request, tr_status status, tr_pid holder) {
    struct fuzz *fuzz = context;
    (void)holder;
    check(request <= fuzz->requests && status < TR_STATUS_COUNT);
}

static void on_put(void *context, const struct names_entry *entry) {
    (void)context;
    check(names_valid(entry->name, strlen(entry->name)));
}

static void on_dropped(void *context, const char *name, tr_pid pid) {
    (void)context;
    (void)pid;
    check(names_valid(name, strlen(name)));
}

static void on_lost(void *context, const char *name, tr_pid pid, tr_pid winner) {
    (void)context;
    (void)name;
    (void)pid;
    (void)winner;
}

/* ---- messages ---- */

static void random_name(struct fuzz *fuzz, char *out) {
    snprintf(out, MEMBER_NAME_BYTES, "n%d", (int)below(fuzz, 6));
}

static void put_random_life(struct fuzz *fuzz) {
    struct life_notice notice = {.incarnation = 1 + below(fuzz, 4),
                                 .space = 1 + below(fuzz, 6),
                                 .admission = 1 + below(fuzz, 5),
                                 .ordinal = (uint32_t)below(fuzz, 4),
                                 .replaced = below(fuzz, 8) == 0};
    random_name(fuzz, notice.name);
    if (below(fuzz, 3) > 0) snprintf(notice.endpoint, sizeof(notice.endpoint), "tcp://x:1");
    lives_init(&fuzz->lives, 1);
    struct life *life = lives_add(&fuzz->lives, &notice);
    life->member.state = (enum member_state)below(fuzz, MEMBER_LEFT + 1);
    notice_put_life(&fuzz->message, life);
    lives_fini(&fuzz->lives);
}

static void put_random_notice(struct fuzz *fuzz) {
    struct buffer *out = &fuzz->message;
    char name[MEMBER_NAME_BYTES];
    enum member_state state = (enum member_state)(1 + below(fuzz, MEMBER_LEFT));
    uint32_t count = (uint32_t)below(fuzz, 4);
    random_name(fuzz, name);
    switch (1 + below(fuzz, NOTICE_LEFT)) {
        case NOTICE_GREET:
            notice_put_greet(out, below(fuzz, 2) ? 0 : state, NULL);
            break;
        case NOTICE_JOIN:
            notice_put_join(out, 1 + below(fuzz, 6), (uint32_t)below(fuzz, 4));
            break;
        case NOTICE_WAIT:
            notice_put_wait(out, "later");
            break;
        case NOTICE_REDIRECT:
            notice_put_redirect(out, name, "tcp://y:2");
            break;
        case NOTICE_REFUSE:
            notice_put_refuse(out, (enum notice_refusal)(1 + below(fuzz, 3)), "no");
            break;
        case NOTICE_VIEW:
            notice_put_view(out, state, below(fuzz, 3) > 0, count);
            while (count-- > 0) put_random_life(fuzz);
            break;
        default:
            notice_put_left(out);
            break;
    }
}

static tr_pid random_pid(struct fuzz *fuzz) {
    return (tr_pid){1 + below(fuzz, 3), (uint32_t)below(fuzz, 4), 1};
}

static void put_random_names_message(struct fuzz *fuzz, int peer) {
    struct names_message message = {.kind = (enum names_kind)(1 + below(fuzz, NAMES_LOST)),
                                    .incarnation = 1,
                                    .session = fuzz->sessions[peer],
                                    .lamport = below(fuzz, 100),
                                    .token = below(fuzz, 12),
                                    .pid = random_pid(fuzz),
                                    .age = below(fuzz, 40),
                                    .winner = random_pid(fuzz),
                                    .winner_incarnation = 1,
                                    .last = below(fuzz, 3) > 0,
                                    .count = (uint32_t)below(fuzz, 4)};
    if (below(fuzz, 12) == 0) message.session++;
    if (below(fuzz, 3) == 0) message.kind = NAMES_HELLO;
    random_name(fuzz, message.name);
    random_name(fuzz, message.winner_node);
    names_message_put(&fuzz->message, &message);
    for (uint32_t i = 0; message.kind == NAMES_SYNC && i < message.count; i++) {
        random_name(fuzz, message.name);
        names_message_put_entry(&fuzz->message, message.name, random_pid(fuzz), below(fuzz, 40),
                                below(fuzz, 12), below(fuzz, 2) == 0);
    }
}

/* Changes, drops or adds a few bytes, or makes all of it noise. */
static void damage(struct fuzz *fuzz) {
    struct buffer *message = &fuzz->message;
    uint64_t kind = below(fuzz, 6);
    if (kind > 3) return;
    if (kind == 0) buffer_clear(message);
    for (uint64_t i = below(fuzz, 6); kind != 1 && i > 0; i--) {
        buffer_append_byte(message, (uint8_t)random_u64(&fuzz->random));
    }
    if (kind == 1 && message->bytes > 0) message->bytes = below(fuzz, message->bytes);
    for (uint64_t i = below(fuzz, 3); kind == 2 && i > 0 && message->bytes > 0; i--) {
        message->data[below(fuzz, message->bytes)] = (uint8_t)random_u64(&fuzz->random);
    }
}

static void count(struct fuzz *fuzz, tr_status status) {
    check(status == TR_OK || status == TR_EDATA);
    if (status == TR_OK) fuzz->accepted++;
    if (status == TR_EDATA) fuzz->refused++;
}

/* ---- steps ---- */

static void list_members(struct fuzz *fuzz) {
    struct member_life lives[PEERS + 1] = {{"n1", 1, 0}};
    size_t listed = 1;
    for (int i = 0; i < PEERS; i++) {
        if (fuzz->sessions[i] == 0 || below(fuzz, 5) == 0) continue;
        lives[listed++] = (struct member_life){peers[i], 1, fuzz->sessions[i]};
    }
    names_members(fuzz->names, lives, listed, fuzz->now_ns);
}

static void begin_session(struct fuzz *fuzz, int peer) {
    struct members_peer from = {.name = peers[peer],
                                .incarnation = 1 + below(fuzz, 3),
                                .session = random_u64(&fuzz->random) | 1,
                                .endpoint = "tcp://z:3"};
    fuzz->sessions[peer] = from.session;
    members_session_up(fuzz->members, &from, fuzz->now_ns);
}

static void send_to_members(struct fuzz *fuzz, int peer) {
    uint64_t version = members_version(fuzz->members);
    bool connected = fuzz->sessions[peer] != 0;
    tr_error error = {0};
    put_random_notice(fuzz);
    damage(fuzz);
    tr_status status = members_receive(fuzz->members, peers[peer], fuzz->message.data,
                                       fuzz->message.bytes, fuzz->now_ns, &error);
    count(fuzz, status);
    check(status == TR_OK || error.message[0] != '\0');
    check(connected || members_version(fuzz->members) == version);
    buffer_clear(&fuzz->message);
}

static void send_to_names(struct fuzz *fuzz, int peer) {
    tr_error error = {0};
    put_random_names_message(fuzz, peer);
    damage(fuzz);
    tr_status status = names_receive(fuzz->names, peers[peer], fuzz->message.data,
                                     fuzz->message.bytes, fuzz->now_ns, &error);
    count(fuzz, status);
    check(status == TR_OK || error.message[0] != '\0');
    buffer_clear(&fuzz->message);
}

static void step(struct fuzz *fuzz) {
    int peer = (int)below(fuzz, PEERS);
    char name[MEMBER_NAME_BYTES];
    random_name(fuzz, name);
    switch (below(fuzz, 12)) {
        case 0:
            begin_session(fuzz, peer);
            break;
        case 1:
            list_members(fuzz);
            break;
        case 2:
            names_drop_all(fuzz->names, random_pid(fuzz), fuzz->now_ns);
            break;
        case 3:
            names_claim(fuzz->names, name, random_pid(fuzz), ++fuzz->requests, fuzz->now_ns);
            break;
        case 4:
            fuzz->now_ns += below(fuzz, UINT64_C(6000000000));
            members_tick(fuzz->members, fuzz->now_ns);
            names_tick(fuzz->names, fuzz->now_ns);
            break;
        case 5:
            members_session_down(fuzz->members, peers[peer], fuzz->sessions[peer], "ended",
                                 fuzz->now_ns);
            fuzz->sessions[peer] = 0;
            break;
        case 6:
            members_heard(fuzz->members, peers[peer], fuzz->now_ns);
            break;
        case 7:
        case 8:
            send_to_members(fuzz, peer);
            break;
        default:
            send_to_names(fuzz, peer);
            break;
    }
}

static void open_machines(struct fuzz *fuzz) {
    struct members_seed seed = {"tcp://seed:1", "n2"};
    struct members_options members = {.name = "n1",
                                      .incarnation = 1 + below(fuzz, 3),
                                      .endpoint = "tcp://a:1",
                                      .seeds = &seed,
                                      .seed_count = below(fuzz, 2),
                                      .random_seed = random_u64(&fuzz->random)};
    struct members_ops members_ops = {.context = fuzz,
                                      .send = on_send,
                                      .dial = on_dial,
                                      .hang_up = on_hang_up,
                                      .changed = on_changed,
                                      .admission_frozen = on_frozen,
                                      .report = on_report,
                                      .left = on_left};
    struct names_options names = {.node = "n1", .incarnation = 1};
    struct names_ops names_ops = {.context = fuzz,
                                  .send = on_names_send,
                                  .claimed = on_claimed,
                                  .put = on_put,
                                  .dropped = on_dropped,
                                  .lost = on_lost};
    memset(fuzz->sessions, 0, sizeof(fuzz->sessions));
    fuzz->now_ns = 1;
    fuzz->members = members_new(&members, &members_ops, fuzz->now_ns);
    fuzz->names = names_new(&names, &names_ops);
}

static void round_of(struct fuzz *fuzz) {
    open_machines(fuzz);
    for (int i = 0; i < STEPS; i++) step(fuzz);
    if (below(fuzz, 2) == 0) members_leave(fuzz->members, fuzz->now_ns);
    for (int i = 0; i < 4; i++) step(fuzz);
    members_free(fuzz->members);
    names_free(fuzz->names);
}

int main(int argc, char **argv) {
    struct fuzz fuzz = {0};
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : ROUNDS;
    buffer_init(&fuzz.message);
    for (long i = 0; i < rounds; i++) {
        random_seed(&fuzz.random, seed + (uint64_t)i);
        round_of(&fuzz);
    }
    printf("wire_fuzz: %ld rounds from seed %llu: %u messages accepted, %u refused\n", rounds,
           (unsigned long long)seed, fuzz.accepted, fuzz.refused);
    buffer_fini(&fuzz.message);
    return fuzz.accepted > 0 && fuzz.refused > 0 ? 0 : 1;
}
