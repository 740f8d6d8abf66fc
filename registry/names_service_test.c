/*
 * One name service alone, its messages made and read by hand: the order of events that a network
 * brings about seldom.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/buffer.h"
#include "registry/home.h"
#include "registry/names.h"
#include "registry/names_message.h"

TestSuite(names_service, .timeout = 30);

enum { SENT_MAX = 64 };

/* What the service did. */
struct record {
    struct names *names;
    struct {
        char node[MEMBER_NAME_BYTES];
        struct names_message message;
    } sent[SENT_MAX];
    int sent_count;
    int answers;
    tr_status status; /* of the last answer */
    tr_pid holder;
    tr_pid shown; /* what the last name put resolves to */
    int puts, drops, losses;
};

static void on_send(void *context, const char *node, const uint8_t *bytes, size_t byte_count) {
    struct record *record = context;
    cr_assert(record->sent_count < SENT_MAX);
    int index = record->sent_count++;
    snprintf(record->sent[index].node, MEMBER_NAME_BYTES, "%s", node);
    cr_assert(names_message_decode(bytes, byte_count, node, &record->sent[index].message, NULL) ==
              TR_OK);
}

static void on_claimed(void *context, uint64_t request, tr_status status, tr_pid holder) {
    struct record *record = context;
    (void)request;
    record->answers++;
    record->status = status;
    record->holder = holder;
}

static void on_put(void *context, const struct names_entry *entry) {
    struct record *record = context;
    record->puts++;
    record->shown = entry->pid;
}

static void on_dropped(void *context, const char *name, tr_pid pid) {
    struct record *record = context;
    (void)name;
    cr_assert(pid.slot == record->shown.slot);
    record->drops++;
    record->shown = (tr_pid){0, 0, 0};
}

static void on_lost(void *context, const char *name, tr_pid pid, tr_pid winner) {
    struct record *record = context;
    (void)name;
    (void)pid;
    (void)winner;
    record->losses++;
}

/* A service of node n1, incarnation 10, that lists itself and n2 and n3 (incarnations 20 and 30)
 * in these sessions; a session 0 leaves one out. */
static void list(struct record *record, uint64_t second, uint64_t third) {
    struct member_life lives[3] = {{"n1", 10, 0}};
    size_t count = 1;
    if (second != 0) lives[count++] = (struct member_life){"n2", 20, second};
    if (third != 0) lives[count++] = (struct member_life){"n3", 30, third};
    names_members(record->names, lives, count, 0);
}

static struct record *record_new(void) {
    struct record *record = calloc(1, sizeof(*record));
    struct names_options options = {.node = "n1", .incarnation = 10};
    struct names_ops ops = {.context = record,
                            .send = on_send,
                            .claimed = on_claimed,
                            .put = on_put,
                            .dropped = on_dropped,
                            .lost = on_lost};
    record->names = names_new(&options, &ops);
    return record;
}

static void record_free(struct record *record) {
    names_free(record->names);
    free(record);
}

/* The last message sent to a node, which must be of that kind. */
static const struct names_message *last_to(const struct record *record, const char *node,
                                           enum names_kind kind) {
    for (int i = record->sent_count - 1; i >= 0; i--) {
        if (strcmp(record->sent[i].node, node) != 0) continue;
        cr_assert(record->sent[i].message.kind == kind, "kind %d",
                  (int)record->sent[i].message.kind);
        return &record->sent[i].message;
    }
    cr_assert(false, "nothing was sent to %s", node);
    return NULL;
}

static void receive(struct record *record, const char *node, struct names_message message) {
    struct buffer bytes;
    buffer_init(&bytes);
    if (message.incarnation == 0) message.incarnation = strcmp(node, "n2") == 0 ? 20 : 30;
    if (message.session == 0) message.session = 1;
    names_message_put(&bytes, &message);
    tr_error error = {0};
    tr_status status = names_receive(record->names, node, bytes.data, bytes.bytes, 0, &error);
    cr_assert(status == TR_OK, "%s", error.message);
    buffer_fini(&bytes);
}

static struct names_message about(enum names_kind kind, const char *name, uint32_t slot,
                                  uint64_t token) {
    struct names_message message = {.kind = kind, .token = token, .pid = {7, slot, 1}};
    snprintf(message.name, sizeof(message.name), "%s", name);
    return message;
}

/* Both other nodes greet and have no names yet. */
static void greeted(struct record *record) {
    list(record, 1, 1);
    static const char *const nodes[] = {"n2", "n3"};
    for (int i = 0; i < 2; i++) {
        receive(record, nodes[i], (struct names_message){.kind = NAMES_HELLO});
        receive(record, nodes[i], (struct names_message){.kind = NAMES_SYNC, .last = true});
    }
}

/* A name whose home among n1, n2, n3 is that one. */
static const char *name_of(int home, char out[24]) {
    static const char *const nodes[] = {"n1", "n2", "n3"};
    for (int i = 0;; i++) {
        snprintf(out, 24, "x%d", i);
        if (home_of(out, nodes, 3) == (size_t)home) return out;
    }
}

static void settle(struct record *record, const char *node, const char *name, uint32_t slot,
                   uint64_t age) {
    struct names_message put = about(NAMES_PUT, name, slot, slot);
    put.age = age;
    receive(record, node, put);
    receive(record, node, about(NAMES_SETTLE, name, slot, 0));
}

Test(names_service, names_go_out_only_after_the_other_side_has_greeted) {
    struct record *record = record_new();
    list(record, 1, 0);
    cr_assert(record->sent_count == 1);
    last_to(record, "n2", NAMES_HELLO);
    receive(record, "n2", (struct names_message){.kind = NAMES_HELLO});
    cr_assert(last_to(record, "n2", NAMES_SYNC)->last);
    record_free(record);
}

Test(names_service, a_greeting_that_comes_before_its_sender_is_listed_counts) {
    struct record *record = record_new();
    receive(record, "n2", (struct names_message){.kind = NAMES_HELLO});
    cr_assert(record->sent_count == 0);
    list(record, 1, 0);
    cr_assert(record->sent_count == 2);
    last_to(record, "n2", NAMES_SYNC);
    record_free(record);
}

Test(names_service, a_greeting_of_an_earlier_session_or_life_does_not_count) {
    struct record *record = record_new();
    receive(record, "n2", (struct names_message){.kind = NAMES_HELLO, .session = 1});
    list(record, 2, 0);
    last_to(record, "n2", NAMES_HELLO);
    receive(record, "n2",
            (struct names_message){.kind = NAMES_HELLO, .session = 2, .incarnation = 19});
    last_to(record, "n2", NAMES_HELLO);
    receive(record, "n2", (struct names_message){.kind = NAMES_HELLO, .session = 2});
    last_to(record, "n2", NAMES_SYNC);
    record_free(record);
}

Test(names_service, what_is_left_of_an_earlier_session_is_dropped) {
    struct record *record = record_new();
    greeted(record);
    list(record, 2, 1);
    settle(record, "n2", "bank", 5, 1);
    cr_assert(record->puts == 0);
    struct names_message other_life = about(NAMES_PUT, "bank", 5, 5);
    other_life.session = 2;
    other_life.incarnation = 19;
    receive(record, "n2", other_life);
    cr_assert(record->puts == 0);
    other_life.incarnation = 20;
    receive(record, "n2", other_life);
    cr_assert(record->puts == 1);
    record_free(record);
}

Test(names_service, a_home_decides_only_when_it_knows_all_names) {
    char name[24];
    struct record *record = record_new();
    list(record, 1, 1);
    receive(record, "n2", (struct names_message){.kind = NAMES_HELLO});
    receive(record, "n2", (struct names_message){.kind = NAMES_SYNC, .last = true});
    receive(record, "n2", about(NAMES_CLAIM, name_of(0, name), 5, 77));
    last_to(record, "n2", NAMES_SYNC);
    receive(record, "n3", (struct names_message){.kind = NAMES_SYNC, .last = false});
    last_to(record, "n2", NAMES_SYNC);
    receive(record, "n3", (struct names_message){.kind = NAMES_SYNC, .last = true});
    cr_assert(last_to(record, "n2", NAMES_GRANT)->token == 77);
    record_free(record);
}

Test(names_service, a_granted_name_is_kept_until_its_claim_is_over) {
    char name[24];
    static const enum names_kind ends[] = {NAMES_CANCEL, NAMES_DROP, NAMES_SETTLE};
    for (int i = 0; i < 3; i++) {
        struct record *record = record_new();
        greeted(record);
        receive(record, "n2", about(NAMES_CLAIM, name_of(0, name), 5, 77));
        receive(record, "n3", about(NAMES_CLAIM, name, 6, 88));
        last_to(record, "n2", NAMES_GRANT);
        last_to(record, "n3", NAMES_SYNC);
        if (ends[i] != NAMES_CANCEL) receive(record, "n2", about(NAMES_PUT, name, 5, 77));
        last_to(record, "n3", NAMES_SYNC);
        receive(record, "n2", about(ends[i], name, 5, 77));
        if (ends[i] != NAMES_SETTLE) {
            cr_assert(last_to(record, "n3", NAMES_GRANT)->token == 88);
        } else {
            last_to(record, "n2", NAMES_PROBE);
        }
        record_free(record);
    }
}

Test(names_service, a_granted_name_is_free_again_when_its_claimant_goes_down) {
    char name[24];
    struct record *record = record_new();
    greeted(record);
    receive(record, "n2", about(NAMES_CLAIM, name_of(0, name), 5, 77));
    receive(record, "n3", about(NAMES_CLAIM, name, 6, 88));
    list(record, 0, 1);
    cr_assert(last_to(record, "n3", NAMES_GRANT)->token == 88);
    record_free(record);
}

Test(names_service, nobody_is_turned_away_before_the_holder_was_asked) {
    char name[24];
    struct record *record = record_new();
    greeted(record);
    settle(record, "n2", name_of(0, name), 5, 1);
    receive(record, "n3", about(NAMES_CLAIM, name, 6, 88));
    uint64_t probe = last_to(record, "n2", NAMES_PROBE)->token;
    receive(record, "n2", about(NAMES_PROBED, name, 0, probe + 1));
    last_to(record, "n3", NAMES_SYNC);
    receive(record, "n2", about(NAMES_PROBED, name, 0, probe));
    cr_assert(last_to(record, "n3", NAMES_TAKEN)->pid.slot == 5);
    record_free(record);
}

Test(names_service, a_drop_that_overtakes_the_answer_to_the_question_frees_the_name) {
    char name[24];
    struct record *record = record_new();
    greeted(record);
    settle(record, "n2", name_of(0, name), 5, 1);
    receive(record, "n3", about(NAMES_CLAIM, name, 6, 88));
    last_to(record, "n2", NAMES_PROBE);
    receive(record, "n2", about(NAMES_DROP, name, 5, 0));
    last_to(record, "n3", NAMES_GRANT);
    record_free(record);
}

Test(names_service, a_question_is_asked_again_in_a_new_session) {
    char name[24];
    struct record *record = record_new();
    greeted(record);
    settle(record, "n2", name_of(0, name), 5, 1);
    receive(record, "n3", about(NAMES_CLAIM, name, 6, 88));
    uint64_t first = last_to(record, "n2", NAMES_PROBE)->token;
    struct names_message greeting = {.kind = NAMES_HELLO, .session = 2};
    receive(record, "n2", greeting);
    list(record, 2, 1);
    struct names_message put = about(NAMES_PUT, name, 5, 5);
    put.session = 2;
    receive(record, "n2", put);
    put.kind = NAMES_SETTLE;
    receive(record, "n2", put);
    struct names_message sync = {.kind = NAMES_SYNC, .session = 2, .last = true};
    receive(record, "n2", sync);
    cr_assert(last_to(record, "n2", NAMES_PROBE)->token != first);
    record_free(record);
}

Test(names_service, word_is_given_only_when_no_other_node_holds_the_name) {
    struct record *record = record_new();
    greeted(record);
    settle(record, "n2", "bank", 5, 1);
    struct names_message put = about(NAMES_PUT, "bank", 6, 88);
    put.age = 9;
    receive(record, "n3", put);
    last_to(record, "n3", NAMES_SYNC);
    cr_assert(record->shown.slot == 5);
    receive(record, "n2", about(NAMES_DROP, "bank", 5, 0));
    cr_assert(last_to(record, "n3", NAMES_ACK)->token == 88);
    cr_assert(record->shown.slot == 6);
    record_free(record);
}

Test(names_service, a_settled_entry_hides_an_older_one_that_is_not) {
    struct record *record = record_new();
    greeted(record);
    struct names_message put = about(NAMES_PUT, "bank", 6, 88);
    put.age = 3;
    receive(record, "n3", put);
    settle(record, "n2", "bank", 5, 9);
    cr_assert(record->shown.slot == 5);
    record_free(record);
}

Test(names_service, a_holder_objects_to_every_other_claim) {
    struct record *record = record_new();
    list(record, 0, 0);
    cr_assert(names_claim(record->names, "bank", (tr_pid){1, 4, 1}, 1, 0) == TR_OK);
    cr_assert(record->status == TR_OK && record->answers == 1);
    greeted(record);
    struct names_message put = about(NAMES_PUT, "bank", 6, 88);
    receive(record, "n3", put);
    const struct names_message *objection = last_to(record, "n3", NAMES_OBJECT);
    cr_assert(objection->token == 88 && objection->pid.slot == 4);
    cr_assert(record->shown.slot == 4 && record->losses == 0);
    record_free(record);
}

/* The claim of slot 4 has been granted by n2 and put to all. */
static struct record *putting(char name[24]) {
    struct record *record = record_new();
    greeted(record);
    names_claim(record->names, name_of(1, name), (tr_pid){1, 4, 1}, 1, 0);
    uint64_t token = last_to(record, "n2", NAMES_CLAIM)->token;
    receive(record, "n2", about(NAMES_GRANT, name, 0, token));
    last_to(record, "n2", NAMES_PUT);
    last_to(record, "n3", NAMES_PUT);
    return record;
}

Test(names_service, of_two_claims_under_way_the_earlier_one_objects) {
    char name[24];
    struct record *record = putting(name);
    uint64_t age = last_to(record, "n3", NAMES_PUT)->age;
    struct names_message put = about(NAMES_PUT, name, 6, 88);
    put.age = age + 1;
    receive(record, "n3", put);
    last_to(record, "n3", NAMES_OBJECT);
    put.age = age - 1;
    receive(record, "n3", put);
    last_to(record, "n3", NAMES_ACK);
    cr_assert(record->answers == 0, "the other will object to ours");
    receive(record, "n3", about(NAMES_OBJECT, name, 6, last_to(record, "n2", NAMES_PUT)->token));
    cr_assert(record->status == TR_EEXIST && record->holder.slot == 6);
    last_to(record, "n3", NAMES_DROP);
    record_free(record);
}

/* Word that n3 has dropped the name is still on its way to us, though n2 knew it. */
Test(names_service, a_claim_needs_the_word_of_its_own_node_too) {
    char name[24];
    struct record *record = record_new();
    greeted(record);
    settle(record, "n3", name_of(1, name), 6, 1);
    names_claim(record->names, name, (tr_pid){1, 4, 1}, 1, 0);
    uint64_t token = last_to(record, "n2", NAMES_CLAIM)->token;
    receive(record, "n2", about(NAMES_GRANT, name, 0, token));
    receive(record, "n2", about(NAMES_ACK, name, 0, token));
    receive(record, "n3", about(NAMES_ACK, name, 0, token));
    cr_assert(record->answers == 0 && record->shown.slot == 6);
    receive(record, "n3", about(NAMES_DROP, name, 6, 0));
    cr_assert(record->answers == 1 && record->status == TR_OK && record->shown.slot == 4);
    record_free(record);
}

Test(names_service, a_loss_told_by_a_third_node_counts_only_if_the_winner_is_not_seen) {
    char name[24];
    for (int seen = 0; seen < 2; seen++) {
        struct record *record = record_new();
        list(record, 0, 0);
        names_claim(record->names, name_of(0, name), (tr_pid){1, 4, 1}, 1, 0);
        cr_assert(record->status == TR_OK);
        greeted(record);
        if (!seen) list(record, 1, 0);
        struct names_message loss = about(NAMES_LOST, name, 4, 0);
        loss.pid.space = 1;
        loss.age = 0;
        loss.winner = (tr_pid){7, 6, 1};
        snprintf(loss.winner_node, sizeof(loss.winner_node), "n3");
        loss.winner_incarnation = 30;
        receive(record, "n2", loss);
        cr_assert(record->losses == !seen && (record->shown.slot == 4) == seen);
        record_free(record);
    }
}

Test(names_service, a_claim_needs_the_word_of_every_member) {
    char name[24];
    struct record *record = putting(name);
    uint64_t token = last_to(record, "n2", NAMES_PUT)->token;
    receive(record, "n2", about(NAMES_ACK, name, 0, token));
    receive(record, "n2", about(NAMES_ACK, name, 0, token));
    cr_assert(record->answers == 0);
    receive(record, "n3", about(NAMES_ACK, name, 0, token));
    cr_assert(record->answers == 1 && record->status == TR_OK);
    last_to(record, "n3", NAMES_SETTLE);
    record_free(record);
}

Test(names_service, word_given_in_an_earlier_session_does_not_count) {
    char name[24];
    struct record *record = putting(name);
    uint64_t token = last_to(record, "n2", NAMES_PUT)->token;
    receive(record, "n2", about(NAMES_ACK, name, 0, token));
    list(record, 2, 1);
    receive(record, "n3", about(NAMES_ACK, name, 0, token));
    cr_assert(record->answers == 0);
    receive(record, "n2", (struct names_message){.kind = NAMES_HELLO, .session = 2});
    const struct names_message *sync = last_to(record, "n2", NAMES_SYNC);
    cr_assert(sync->count == 1, "the entry goes with all the others, as its PUT");
    struct names_message ack = about(NAMES_ACK, name, 0, token);
    ack.session = 2;
    receive(record, "n2", ack);
    cr_assert(record->answers == 1 && record->status == TR_OK);
    record_free(record);
}

Test(names_service, a_claim_goes_to_the_new_home_and_is_taken_back_from_the_old) {
    char name[24];
    struct record *record = record_new();
    static const char *const pair[] = {"n1", "n2"};
    list(record, 1, 0);
    receive(record, "n2", (struct names_message){.kind = NAMES_HELLO});
    do {
        static int number;
        snprintf(name, sizeof(name), "y%d", number++);
    } while (home_of(name, pair, 2) != 1 ||
             home_of(name, (const char *const[]){"n1", "n2", "n3"}, 3) != 2);
    names_claim(record->names, name, (tr_pid){1, 4, 1}, 1, 0);
    uint64_t token = last_to(record, "n2", NAMES_CLAIM)->token;
    list(record, 1, 1);
    cr_assert(last_to(record, "n2", NAMES_CANCEL)->token == token);
    last_to(record, "n3", NAMES_HELLO);
    receive(record, "n2", about(NAMES_GRANT, name, 0, token));
    cr_assert(record->puts == 0, "the old home has no say any more");
    receive(record, "n3", (struct names_message){.kind = NAMES_HELLO});
    cr_assert(last_to(record, "n3", NAMES_CLAIM)->token == token);
    record_free(record);
}

Test(names_service, a_claim_is_later_than_all_that_was_heard_before) {
    char name[24];
    struct record *record = record_new();
    greeted(record);
    struct names_message put = about(NAMES_PUT, "bank", 6, 88);
    put.lamport = 1000;
    receive(record, "n3", put);
    names_claim(record->names, name_of(0, name), (tr_pid){1, 4, 1}, 1, 0);
    cr_assert(last_to(record, "n3", NAMES_PUT)->age > 1000);
    record_free(record);
}

Test(names_service, claims_end_by_their_time_in_order) {
    char name[24];
    struct record *record = record_new();
    list(record, 1, 0);
    names_claim(record->names, name_of(1, name), (tr_pid){1, 4, 1}, 1, 5);
    names_claim(record->names, name_of(1, name), (tr_pid){1, 5, 1}, 2, 9);
    const uint64_t limit = UINT64_C(15000000000);
    cr_assert(names_tick(record->names, 10) == limit + 5);
    cr_assert(names_tick(record->names, limit + 5) == limit + 9);
    cr_assert(record->answers == 1 && record->status == TR_ETIMEDOUT);
    cr_assert(names_tick(record->names, limit + 9) == UINT64_MAX && record->answers == 2);
    record_free(record);
}

Test(names_service, a_message_from_oneself_is_refused) {
    struct record *record = record_new();
    struct buffer bytes;
    buffer_init(&bytes);
    names_message_put(&bytes, &(struct names_message){.kind = NAMES_HELLO});
    cr_assert(names_receive(record->names, "n1", bytes.data, bytes.bytes, 0, NULL) == TR_EDATA);
    buffer_fini(&bytes);
    record_free(record);
}
