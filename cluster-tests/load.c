#include "cluster-tests/load.h"

#include <stdio.h>

enum {
    FLOOD = 20, /* messages of one burst of a flooder */
    CAST = 120, /* messages of one long handler */
    CHILDREN_MAX = 12,
    SOW = 400, /* spawns of one burst of a planter: more than it has slots for at first */
    NAME_ROOM = 48
};

/* ---- records --------------------------------------------------------------------------------- */

struct tick {
    char unused;
};
struct balance {
    int64_t cents;
};
struct audit {
    char unused;
};
struct audited {
    int64_t cents;
};
struct poke {
    uint32_t number;
};
struct flood {
    uint32_t number;
};
struct thanks {
    uint32_t number;
};
struct work {
    uint32_t left;
};
struct done {
    uint32_t left;
};

TR_RECORD_DEFINE(account, TR_FIELD(account, cents), TR_FIELD(account, transfers));
TR_RECORD_DEFINE(deposit, TR_FIELD(deposit, cents));
TR_RECORD_DEFINE(transfer, TR_FIELD(transfer, to));
TR_RECORD_DEFINE(get);
TR_RECORD_DEFINE(root, TR_FIELD(root, deadline_ns), TR_FIELD(root, index), TR_FIELD(root, nodes),
                 TR_FIELD(root, accounts), TR_FIELD(root, pause_us));
TR_RECORD(tick);
TR_RECORD(balance, TR_FIELD(balance, cents));
TR_RECORD(audit);
TR_RECORD(audited, TR_FIELD(audited, cents));
TR_RECORD(poke, TR_FIELD(poke, number));
TR_RECORD(flood, TR_FIELD(flood, number));
TR_RECORD(thanks, TR_FIELD(thanks, number));
TR_RECORD(work, TR_FIELD(work, left));
TR_RECORD(done, TR_FIELD(done, left));

/* What all busy actors know: root's own fields, and two counts. */
struct busy {
    uint64_t deadline_ns;
    uint32_t index, nodes, accounts, pause_us;
    uint32_t acts, outcomes;
};
TR_RECORD(busy, TR_FIELD(busy, deadline_ns), TR_FIELD(busy, index), TR_FIELD(busy, nodes),
          TR_FIELD(busy, accounts), TR_FIELD(busy, pause_us), TR_FIELD(busy, acts),
          TR_FIELD(busy, outcomes));

/* ---- words ----------------------------------------------------------------------------------- */

int64_t load_amount(tr_pid to) {
    return 1 + (int64_t)((to.slot * 7u + to.generation) % 13u);
}

static uint32_t draw(tr_actor *self, uint32_t bound) {
    return (uint32_t)(tr_random(self) % bound);
}

/* Sets the next tick, unless the time is over. */
static tr_status next_tick(tr_actor *self, const struct busy *busy) {
    if (tr_now(self) >= busy->deadline_ns) return TR_OK;
    uint64_t delay_ms = (busy->pause_us / 2 + draw(self, busy->pause_us)) / 1000;
    return tr_send_after(self, delay_ms, tick, .unused = 0);
}

static tr_status on_init(tr_actor *self, void *state) {
    return next_tick(self, state);
}

static bool find(tr_actor *self, const char *kind, uint32_t node, uint32_t number,
                 tr_pid *pid_out) {
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s-%u-%u", kind, node, number);
    return tr_whereis(self, name, pid_out) == TR_OK;
}

static bool find_account(tr_actor *self, const struct busy *busy, tr_pid *pid_out) {
    return find(self, "account", draw(self, busy->nodes), draw(self, busy->accounts), pid_out);
}

/* ---- accounts -------------------------------------------------------------------------------- */

static tr_status on_deposit(tr_actor *self, void *state, const tr_message *message) {
    struct account *account = state;
    const struct deposit *deposit = tr_body(message);
    if (deposit->cents != load_amount(tr_self(self))) return tr_fail(self, "a wrong amount");
    account->cents += deposit->cents;
    return TR_OK;
}

static tr_status on_transfer(tr_actor *self, void *state, const tr_message *message) {
    struct account *account = state;
    const struct transfer *transfer = tr_body(message);
    int64_t cents = load_amount(transfer->to);
    account->transfers++;
    if (account->cents < cents) return TR_OK;
    account->cents -= cents;
    if (tr_send(self, transfer->to, deposit, .cents = cents) != TR_OK) account->cents += cents;
    return TR_OK;
}

static tr_status on_get(tr_actor *self, void *state, const tr_message *message) {
    const struct account *account = state;
    return tr_reply(self, message, balance, .cents = account->cents);
}

static tr_status on_audit(tr_actor *self, void *state, const tr_message *message) {
    const struct account *account = state;
    if (draw(self, 16) == 0) return TR_OK; /* never answers: the asker runs into its timeout */
    return tr_reply(self, message, audited, .cents = account->cents);
}

static tr_status on_poke(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    return TR_OK;
}

const tr_behavior load_account = {
    .name = "account",
    .version = 1,
    .state = &account_record,
    .handlers =
        TR_HANDLERS({&deposit_record, on_deposit}, {&transfer_record, on_transfer},
                    {&get_record, on_get}, {&audit_record, on_audit}, {&poke_record, on_poke}),
};

/* ---- tellers --------------------------------------------------------------------------------- */

static tr_status on_teller_tick(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct busy *busy = state;
    uint32_t burst = 1 + draw(self, 5);
    for (uint32_t i = 0; i < burst; i++) {
        tr_pid from, to;
        if (!find_account(self, busy, &from) || !find_account(self, busy, &to)) continue;
        if (tr_send(self, from, transfer, .to = to) == TR_OK) busy->acts++;
    }
    tr_pid asker;
    if (draw(self, 4) == 0 && find(self, "asker", draw(self, busy->nodes), 0, &asker))
        tr_send(self, asker, poke, .number = busy->acts);
    return next_tick(self, busy);
}

static const tr_behavior load_teller = {
    .name = "teller",
    .version = 1,
    .state = &busy_record,
    .handlers = TR_HANDLERS({&tick_record, on_teller_tick}),
    .init = on_init,
};

/* ---- askers ---------------------------------------------------------------------------------- */

static tr_status on_asker_tick(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct busy *busy = state;
    tr_pid account;
    if (find_account(self, busy, &account)) {
        tr_status asked =
            draw(self, 3) == 0
                ? tr_ask(self, account, TR_ASK(.timeout_ms = 400), get)
                : tr_ask(self, account, TR_ASK(.timeout_ms = 150, .hold = true), audit);
        if (asked == TR_OK) busy->acts++;
        tr_send(self, tr_self(self), poke, .number = busy->acts);
    }
    return next_tick(self, busy);
}

static tr_status on_outcome(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)message;
    struct busy *busy = state;
    busy->outcomes++;
    return TR_OK;
}

static const tr_behavior load_asker = {
    .name = "asker",
    .version = 1,
    .state = &busy_record,
    .handlers = TR_HANDLERS({&tick_record, on_asker_tick}, {&balance_record, on_outcome},
                            {&audited_record, on_outcome}, {&tr_ask_failed_record, on_outcome},
                            {&poke_record, on_poke}),
    .init = on_init,
};

/* ---- children and their breeder -------------------------------------------------------------- */

struct child {
    uint32_t left;
};
TR_RECORD(child, TR_FIELD(child, left));

static tr_status on_work(tr_actor *self, void *state, const tr_message *message) {
    struct child *child = state;
    tr_send(self, tr_sender(message), done, .left = child->left);
    if (child->left == 0 && draw(self, 4) == 0) return tr_fail(self, "worn out");
    if (child->left == 0)
        tr_exit(self);
    else
        child->left--;
    return TR_OK;
}

static void on_child_stop(tr_actor *self, void *state, tr_status reason) {
    const struct child *child = state;
    tr_pid account;
    if (reason == TR_OK && child->left > 0 && find(self, "account", 0, 0, &account))
        tr_send(self, account, poke, .number = child->left);
}

static const tr_behavior load_child = {
    .name = "child",
    .version = 1,
    .state = &child_record,
    .handlers = TR_HANDLERS({&work_record, on_work}),
    .stop = on_child_stop,
};

static void employ(tr_actor *self, tr_pid child) {
    uint32_t works = 1 + draw(self, 4);
    for (uint32_t i = 0; i < works; i++) tr_send(self, child, work, .left = i);
    if (draw(self, 3) == 0) tr_stop(self, child);
    if (draw(self, 4) == 0) tr_send(self, child, poke, .number = 0); /* which it does not handle */
}

static tr_status on_breeder_tick(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct busy *busy = state;
    struct child child = {.left = draw(self, 4)};
    tr_pid pid;
    if (draw(self, 2) == 0) {
        if (tr_spawn(self, &load_child, TR_SPAWN(.state = &child), &pid) == TR_OK)
            employ(self, pid);
    } else if (busy->acts - busy->outcomes < CHILDREN_MAX) {
        const char *node = tr_member_name(self, draw(self, (uint32_t)tr_member_count(self)));
        if (node != NULL &&
            tr_spawn(self, &load_child, TR_SPAWN(.state = &child, .node = node), &pid) == TR_OK) {
            if (!tr_pid_is_none(pid)) employ(self, pid);
            busy->acts++;
        }
    }
    return next_tick(self, busy);
}

static tr_status on_child_born(tr_actor *self, void *state, const tr_message *message) {
    struct busy *busy = state;
    const struct tr_spawned *spawned = tr_body(message);
    busy->outcomes++;
    if (spawned->status == TR_OK) employ(self, spawned->pid);
    return TR_OK;
}

static const tr_behavior load_breeder = {
    .name = "breeder",
    .version = 1,
    .state = &busy_record,
    .handlers = TR_HANDLERS({&tick_record, on_breeder_tick}, {&tr_spawned_record, on_child_born},
                            {&tr_ask_failed_record, on_outcome}, {&done_record, on_poke}),
    .init = on_init,
};

/* ---- sprouts, planters, couriers --------------------------------------------------------------
 */

/* A pid for somebody else to send to. */
struct pointer {
    tr_pid to;
};
TR_RECORD(pointer, TR_FIELD(pointer, to));

/* Born without a callback of its own. */
static const tr_behavior load_sprout = {
    .name = "sprout",
    .version = 1,
    .state = &child_record,
    .handlers = TR_HANDLERS({&work_record, on_work}, {&poke_record, on_poke}),
};

static tr_status on_seedling_init(tr_actor *self, void *state) {
    struct child *child = state;
    if (draw(self, 8) == 0) return tr_fail(self, "bad soil");
    if (draw(self, 8) == 0) tr_exit(self);
    child->left += draw(self, 2);
    return TR_OK;
}

static const tr_behavior load_seedling = {
    .name = "seedling",
    .version = 1,
    .state = &child_record,
    .handlers = TR_HANDLERS({&work_record, on_work}),
    .init = on_seedling_init,
};

/* Spawns one anywhere else, perhaps where nobody offers it; nobody is told of the outcome. */
static bool plant(tr_actor *self, tr_pid *pid_out) {
    const char *node = tr_member_name(self, draw(self, (uint32_t)tr_member_count(self)));
    struct child child = {.left = draw(self, 5)};
    if (node == NULL) return false;
    if (draw(self, 16) == 0)
        return tr_spawn_by_name(self, "weed", &child_record,
                                TR_SPAWN(.state = &child, .node = node), pid_out) == TR_OK;
    const tr_behavior *behavior = draw(self, 2) == 0 ? &load_sprout : &load_seedling;
    if (draw(self, 3) == 0)
        return tr_spawn(self, behavior, TR_SPAWN(.node = node, .mailbox = {.high = 50}), pid_out) ==
               TR_OK;
    return tr_spawn(self, behavior, TR_SPAWN(.state = &child, .node = node), pid_out) == TR_OK;
}

/* Tells couriers anywhere of the new pid, so that what they send may overtake the spawn. */
static void hand_out(tr_actor *self, const struct busy *busy, tr_pid pid) {
    uint32_t copies = draw(self, 3);
    for (uint32_t i = 0; i < copies; i++) {
        tr_pid courier;
        if (find(self, "courier", draw(self, busy->nodes), 0, &courier))
            tr_send(self, courier, pointer, .to = pid);
    }
}

/* As many as there are slots for; they end at once. */
static void sow(tr_actor *self, struct busy *busy) {
    const char *node = tr_member_name(self, draw(self, (uint32_t)tr_member_count(self)));
    for (uint32_t i = 0; node != NULL && i < SOW; i++) {
        tr_pid pid;
        if (tr_spawn(self, &load_sprout, TR_SPAWN(.node = node), &pid) != TR_OK) return;
        tr_stop(self, pid);
        busy->acts++;
    }
}

static tr_status on_planter_tick(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct busy *busy = state;
    uint32_t burst = 1 + draw(self, 3);
    for (uint32_t i = 0; i < burst; i++) {
        tr_pid pid;
        if (!plant(self, &pid)) continue;
        busy->acts++;
        if (draw(self, 2) == 0) hand_out(self, busy, pid);
        employ(self, pid);
        if (draw(self, 2) == 0) hand_out(self, busy, pid);
        if (draw(self, 2) == 0) tr_stop(self, pid);
    }
    if (draw(self, 100) == 0) sow(self, busy);
    return next_tick(self, busy);
}

static const tr_behavior load_planter = {
    .name = "planter",
    .version = 1,
    .state = &busy_record,
    .handlers = TR_HANDLERS({&tick_record, on_planter_tick}, {&done_record, on_poke}),
    .init = on_init,
};

/* Sends to whom it is told of, and sometimes to the pid after that, which is nobody's or not yet
 * anybody's. */
static tr_status on_pointer(tr_actor *self, void *state, const tr_message *message) {
    struct busy *busy = state;
    tr_pid to = ((const struct pointer *)tr_body(message))->to;
    uint32_t works = 1 + draw(self, 3);
    for (uint32_t i = 0; i < works; i++)
        if (tr_send(self, to, work, .left = i) == TR_OK) busy->acts++;
    if (draw(self, 8) == 0) {
        to.slot++;
        for (uint32_t i = 0; i < works; i++) tr_send(self, to, poke, .number = i);
    }
    return TR_OK;
}

static const tr_behavior load_courier = {
    .name = "courier",
    .version = 1,
    .state = &busy_record,
    .handlers = TR_HANDLERS({&pointer_record, on_pointer}, {&done_record, on_poke}),
};

/* ---- sinks, flooders, casters ---------------------------------------------------------------- */

static tr_status on_flood(tr_actor *self, void *state, const tr_message *message) {
    struct busy *busy = state;
    const struct flood *flood = tr_body(message);
    busy->outcomes++;
    if (flood->number % 4 == 0) tr_send(self, tr_sender(message), thanks, .number = flood->number);
    return TR_OK;
}

static const tr_behavior load_sink = {
    .name = "sink",
    .version = 1,
    .state = &busy_record,
    .handlers = TR_HANDLERS({&flood_record, on_flood}, {&poke_record, on_poke}),
};

static tr_status on_flooder_tick(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct busy *busy = state;
    tr_pid sink;
    if (find(self, "sink", draw(self, busy->nodes), 0, &sink))
        for (uint32_t i = 0; i < FLOOD; i++)
            if (tr_send(self, sink, flood, .number = i) == TR_OK) busy->acts++;
    return next_tick(self, busy);
}

static const tr_behavior load_flooder = {
    .name = "flooder",
    .version = 1,
    .state = &busy_record,
    .handlers = TR_HANDLERS({&tick_record, on_flooder_tick}, {&thanks_record, on_outcome}),
    .init = on_init,
};

static tr_status on_caster_tick(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct busy *busy = state;
    for (uint32_t i = 0; i < CAST; i++) {
        tr_pid to;
        bool found = i % 8 == 0 ? find(self, "sink", draw(self, busy->nodes), 0, &to)
                                : find_account(self, busy, &to);
        if (found && tr_send(self, to, poke, .number = i) == TR_OK) busy->acts++;
    }
    struct busy slow = *busy;
    slow.pause_us = busy->pause_us * 8;
    return next_tick(self, &slow);
}

static const tr_behavior load_caster = {
    .name = "caster",
    .version = 1,
    .state = &busy_record,
    .handlers = TR_HANDLERS({&tick_record, on_caster_tick}),
    .init = on_init,
};

/* ---- roots ----------------------------------------------------------------------------------- */

/* Which of the root's children a spawn was for. */
struct wish {
    uint32_t kind, number;
};
TR_RECORD(wish, TR_FIELD(wish, kind), TR_FIELD(wish, number));

static const struct {
    const tr_behavior *behavior;
    const char *name;
    tr_mailbox_options mailbox;
} KINDS[] = {
    {&load_account, "account", {0, 0, 0, 0}}, {&load_teller, "teller", {0, 0, 0, 0}},
    {&load_asker, "asker", {0, 0, 0, 0}},     {&load_breeder, "breeder", {0, 0, 0, 0}},
    {&load_sink, "sink", {0, 3, 8, 40}},      {&load_flooder, "flooder", {0, 2, 6, 60}},
    {&load_caster, "caster", {0, 0, 0, 0}},   {&load_planter, "planter", {0, 0, 0, 0}},
    {&load_courier, "courier", {0, 0, 0, 0}},
};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

static tr_status spawn_wish(tr_actor *self, const struct root *root, struct wish wanted) {
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s-%u-%u", KINDS[wanted.kind].name, root->index, wanted.number);
    struct account account = {.cents = LOAD_ACCOUNT_CENTS};
    struct busy busy = {.deadline_ns = root->deadline_ns,
                        .index = root->index,
                        .nodes = root->nodes,
                        .accounts = root->accounts,
                        .pause_us = root->pause_us};
    const void *state = wanted.kind == 0 ? (const void *)&account : &busy;
    return tr_spawn(self, KINDS[wanted.kind].behavior,
                    TR_SPAWN(.name = name, .state = state, .mailbox = KINDS[wanted.kind].mailbox,
                             .context_record = &wish_record, .context = &wanted),
                    NULL);
}

static tr_status on_root_init(tr_actor *self, void *state) {
    const struct root *root = state;
    for (uint32_t i = 0; i < root->accounts; i++) spawn_wish(self, root, (struct wish){0, i});
    for (uint32_t kind = 1; kind < KIND_COUNT; kind++)
        spawn_wish(self, root, (struct wish){kind, 0});
    return TR_OK;
}

/* A name may still be held by this node's earlier life: it is claimed again. */
static tr_status on_root_spawned(tr_actor *self, void *state, const tr_message *message) {
    const struct root *root = state;
    const struct tr_spawned *spawned = tr_body(message);
    const struct wish *wanted = tr_context(message);
    if (spawned->status == TR_OK || tr_now(self) >= root->deadline_ns) return TR_OK;
    return tr_send_after(self, 100, wish, .kind = wanted->kind, .number = wanted->number);
}

static tr_status on_root_wish(tr_actor *self, void *state, const tr_message *message) {
    const struct wish *wanted = tr_body(message);
    spawn_wish(self, state, *wanted);
    return TR_OK;
}

static tr_status on_root_failed(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    return TR_OK;
}

const tr_behavior load_root = {
    .name = "root",
    .version = 1,
    .state = &root_record,
    .handlers = TR_HANDLERS({&tr_spawned_record, on_root_spawned}, {&wish_record, on_root_wish},
                            {&tr_ask_failed_record, on_root_failed}),
    .init = on_root_init,
};

const tr_behavior *const load_behaviors[] = {
    &load_root,     &load_account, &load_teller,  &load_asker,  &load_breeder,
    &load_child,    &load_sink,    &load_flooder, &load_caster, &load_sprout,
    &load_seedling, &load_planter, &load_courier, NULL,
};
