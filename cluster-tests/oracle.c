/* oracle.c - the books, and what is checked at each event. */
#include "cluster-tests/oracle.h"

#include <stdio.h>
#include <string.h>

#include "cluster-tests/load.h"
#include "cluster-tests/oracle_books.h"
#include "node/base/memory.h"
#include "node/deadletter.h"

/* ---- the books ------------------------------------------------------------------------------- */

struct oracle *oracle_new(struct sim *sim) {
    struct oracle *oracle = mem_zalloc(1, sizeof *oracle);
    oracle->sim = sim;
    return oracle;
}

void oracle_free(struct oracle *oracle) {
    size_t cursor = 0;
    for (struct book *book; (book = map_pid_next(&oracle->books, &cursor, NULL)) != NULL;) {
        map_u64_fini(&book->messages);
        map_pid_fini(&book->last_serial);
        mem_free(book->turns);
        mem_free(book);
    }
    cursor = 0;
    for (struct life *life; (life = map_u64_next(&oracle->lives, &cursor, NULL)) != NULL;) {
        mem_free(life->starts);
        mem_free(life);
    }
    for (size_t i = 0; i < oracle->mail_count; i++) mem_free(oracle->mails[i]);
    mem_free(oracle->mails);
    map_pid_fini(&oracle->books);
    map_u64_fini(&oracle->lives);
    map_text_fini(&oracle->checked);
    cursor = 0;
    for (char *name; (name = map_text_next(&oracle->names, &cursor, NULL)) != NULL;) mem_free(name);
    map_text_fini(&oracle->names);
    mem_free(oracle);
}

char *oracle_pid_text(const struct oracle *oracle, tr_pid pid, char text[static 64]) {
    const struct life *life = map_u64_find(&oracle->lives, pid.space);
    snprintf(text, 64, "n%u%s/%u.%u", life == NULL ? 0 : life->machine + 1,
             life != NULL && life->over ? "(gone)" : "", pid.slot, pid.generation);
    return text;
}

/* The present life of a machine; made when it is first heard of. */
static struct life *life_of(struct oracle *oracle, struct machine *machine) {
    struct life *life = oracle->present[machine->index];
    if (life != NULL) return life;
    life = mem_zalloc(1, sizeof *life);
    life->space = machine->node->runtime->space;
    life->machine = machine->index;
    life->epoch = oracle->early_epoch[machine->index];
    if (map_u64_put(&oracle->lives, life->space, life) != NULL)
        sim_fail(oracle->sim, "two lives have the space %#" PRIx64, life->space);
    oracle->present[machine->index] = life;
    return life;
}

struct book *oracle_book(struct oracle *oracle, tr_pid pid) {
    struct book *book = map_pid_find(&oracle->books, pid);
    if (book != NULL) return book;
    book = mem_zalloc(1, sizeof *book);
    book->pid = pid;
    book->life = map_u64_find(&oracle->lives, pid.space);
    map_pid_put(&oracle->books, pid, book);
    return book;
}

struct mail *oracle_mail_find(struct oracle *oracle, tr_pid from, uint64_t serial) {
    struct book *book = map_pid_find(&oracle->books, from);
    return book == NULL ? NULL : map_u64_find(&book->messages, serial);
}

static const char *keep_name(struct oracle *oracle, const char *name) {
    char *kept = map_text_find(&oracle->names, name);
    if (kept != NULL) return kept;
    kept = mem_strdup(name);
    map_text_put(&oracle->names, name, kept);
    return kept;
}

static struct mail *mail_of(struct oracle *oracle, const struct observation *what) {
    struct book *from = oracle_book(oracle, what->from);
    struct mail *mail = map_u64_find(&from->messages, what->serial);
    if (mail != NULL) return mail;
    mail = mem_zalloc(1, sizeof *mail);
    mail->from = from;
    mail->to = what->to;
    mail->serial = what->serial;
    mail->record = what->record == NULL ? NULL : keep_name(oracle, what->record);
    mail->sent_epoch = what->colour;
    map_u64_put(&from->messages, what->serial, mail);
    if (oracle->mail_count == oracle->mail_room) {
        oracle->mail_room = oracle->mail_room == 0 ? 4096 : 2 * oracle->mail_room;
        oracle->mails = mem_realloc_array(oracle->mails, oracle->mail_room, sizeof *oracle->mails);
    }
    oracle->mails[oracle->mail_count++] = mail;
    return mail;
}

__attribute__((noreturn)) static void fail_mail(struct oracle *oracle, const struct mail *mail,
                                                const char *what) {
    char from[64], to[64];
    sim_fail(oracle->sim, "%s: %s %" PRIu64 " from %s to %s", what,
             mail->record == NULL ? "stop" : mail->record, mail->serial,
             oracle_pid_text(oracle, mail->from->pid, from), oracle_pid_text(oracle, mail->to, to));
}

static void close_mail(struct oracle *oracle, struct mail *mail) {
    if (!mail->open) return;
    mail->open = false;
    oracle->open_count--;
}

/* ---- lives ----------------------------------------------------------------------------------- */

void oracle_life_ends(struct oracle *oracle, struct machine *machine) {
    struct life *life = oracle->present[machine->index];
    oracle->present[machine->index] = NULL;
    oracle->early_epoch[machine->index] = 0;
    if (life == NULL) return;
    life->over = true;
    for (size_t i = 0; i < oracle->mail_count; i++) {
        struct mail *mail = oracle->mails[i];
        if (mail->from->life != life && mail->to.space != life->space) continue;
        mail->lost = true;
        close_mail(oracle, mail);
    }
}

static void on_epoch(struct oracle *oracle, struct machine *machine,
                     const struct observation *what) {
    struct life *life = oracle->present[machine->index];
    uint64_t before = life == NULL ? oracle->early_epoch[machine->index] : life->epoch;
    if (what->epoch <= before)
        sim_fail(oracle->sim, "I6: E of %s goes from %" PRIu64 " back to %" PRIu64, machine->name,
                 before, what->epoch);
    oracle->early_epoch[machine->index] = what->epoch;
    if (life == NULL) return;
    life->epoch = what->epoch;
    life->starts = mem_realloc_array(life->starts, life->start_count + 1, sizeof *life->starts);
    struct start *start = &life->starts[life->start_count++];
    *start = (struct start){.epoch = what->epoch};
    for (unsigned i = 0; i < oracle->sim->machine_count; i++) {
        struct peer *peer = peer_find(machine->node, oracle->sim->machines[i].name);
        if (peer != NULL) start->sessions[i] = atomic_load(&peer->serial);
    }
}

/* ---- actors ---------------------------------------------------------------------------------- */

static void on_birth(struct oracle *oracle, struct machine *machine,
                     const struct observation *what) {
    struct life *life = life_of(oracle, machine);
    struct book *book = oracle_book(oracle, what->actor);
    if (book->observed || what->actor.space != life->space)
        sim_fail(oracle->sim, "a pid is born twice");
    book->observed = true;
    book->life = life;
    book->birth_epoch = book->epoch = what->epoch;
    struct slot_head *head = runtime_find(machine->node->runtime, what->actor);
    const tr_actor *actor = (const tr_actor *)(const void *)head;
    book->behavior = actor->behavior->offered->name;
    book->is_account = actor->behavior->offered == &load_account;
    book->is_service = actor->behavior->system;
    if (book->is_account)
        book->born_cents = book->ledger = ((const struct account *)what->state)->cents;
    if (what->epoch > life->epoch)
        sim_fail(oracle->sim, "I6: an actor is born newer than its node");
}

static void on_turn(struct oracle *oracle, const struct observation *what, bool recorded) {
    struct book *book = oracle_book(oracle, what->actor);
    char text[64];
    if (!book->observed || book->dead || what->epoch <= book->epoch)
        sim_fail(oracle->sim, "I6: %s turns to %" PRIu64 " from %" PRIu64,
                 oracle_pid_text(oracle, book->pid, text), what->epoch, book->epoch);
    book->epoch = what->epoch;
    book->turns = mem_realloc_array(book->turns, book->turn_count + 1, sizeof *book->turns);
    book->turns[book->turn_count++] =
        (struct turn){.epoch = what->epoch,
                      .recorded = recorded,
                      .cents = book->is_account ? ((const struct account *)what->state)->cents : 0};
    if (book->is_account && book->turns[book->turn_count - 1].cents != book->ledger)
        sim_fail(oracle->sim, "money: %s is recorded in the middle of a handler",
                 oracle_pid_text(oracle, book->pid, text));
}

static void on_death(struct oracle *oracle, const struct observation *what) {
    struct book *book = oracle_book(oracle, what->actor);
    if (!book->observed || book->dead) sim_fail(oracle->sim, "an actor dies twice");
    book->dead = true;
}

/* ---- messages -------------------------------------------------------------------------------- */

bool oracle_may_overtake(const char *record) {
    return record == NULL || strcmp(record, "audited") == 0 || strcmp(record, "tr_ask_failed") == 0;
}

static void on_send(struct oracle *oracle, struct machine *machine,
                    const struct observation *what) {
    struct mail *mail = mail_of(oracle, what);
    if (mail->sent) fail_mail(oracle, mail, "sent twice");
    mail->sent = true;
    if (mail->from->observed && mail->from->epoch != what->colour)
        fail_mail(oracle, mail, "I6: not of its sender's colour");
    const struct runtime *runtime = machine->node->runtime;
    const char *home = runtime->router->node_of(runtime->router_context, what->to.space);
    struct peer *peer = home == NULL ? NULL : peer_find(machine->node, home);
    if (peer != NULL) mail->session = atomic_load(&peer->serial);
    if (!mail->dead) {
        mail->open = true;
        oracle->open_count++;
    }
    if (what->record != NULL && strcmp(what->record, "tr_spawned") == 0)
        oracle_book(oracle, what->to)->outcomes++;
    struct book *from = mail->from;
    if (from->is_account && what->record != NULL && strcmp(what->record, "deposit") == 0)
        from->ledger -= load_amount(what->to);
}

/* What may overtake is left out, and what the node itself sends: its threads share one count. */
static void check_order(struct oracle *oracle, const struct mail *mail) {
    if (mail->from->pid.slot == 0 || oracle_may_overtake(mail->record)) return;
    void *last = map_pid_put(&mail->from->last_serial, mail->to, (void *)(uintptr_t)mail->serial);
    if ((uintptr_t)last >= mail->serial) fail_mail(oracle, mail, "I2: handled out of order");
}

static void on_receive(struct oracle *oracle, struct machine *machine,
                       const struct observation *what) {
    struct mail *mail = mail_of(oracle, what);
    if (!mail->sent) fail_mail(oracle, mail, "handled, but never sent");
    if (mail->received) fail_mail(oracle, mail, "I2: handled twice");
    if (mail->dead && !mail->dead_by_session)
        fail_mail(oracle, mail, "handled after it was a dead letter");
    if (what->to.space != life_of(oracle, machine)->space)
        fail_mail(oracle, mail, "handled on a wrong node");
    struct book *to = oracle_book(oracle, what->to);
    mail->received = true;
    mail->received_epoch = to->observed ? to->epoch : what->epoch;
    if (to->observed && (to->dead || what->epoch != to->epoch))
        fail_mail(oracle, mail, "I6: handled in a wrong colour");
    if (mail->sent_epoch > mail->received_epoch)
        fail_mail(oracle, mail, "I6: handled inside, sent outside");
    check_order(oracle, mail);
    close_mail(oracle, mail);
    mail->outcomes = mail->from->outcomes;
    if (to->is_account && what->record != NULL && strcmp(what->record, "deposit") == 0)
        to->ledger += load_amount(to->pid);
}

/* A spawn was taken in: somebody is born, or its spawner is told that nobody is. */
static void on_spawn_handled(struct oracle *oracle, const struct observation *what) {
    struct mail *mail = mail_of(oracle, what);
    const struct book *born = map_pid_find(&oracle->books, mail->to);
    bool told = mail->from->outcomes > mail->outcomes;
    if ((born == NULL || !born->observed) && !told)
        fail_mail(oracle, mail, "a spawn came to nothing without a word");
}

static bool is_spawn(const char *record) {
    return record != NULL && strcmp(record, "spawn") == 0;
}

static void on_handled(struct oracle *oracle, const struct observation *what) {
    if (is_spawn(what->record)) on_spawn_handled(oracle, what);
    struct book *to = map_pid_find(&oracle->books, what->to);
    if (to == NULL || !to->is_account || what->state == NULL) return;
    int64_t cents = ((const struct account *)what->state)->cents;
    char text[64];
    if (cents != to->ledger)
        sim_fail(oracle->sim, "money: %s has %" PRId64 " and should have %" PRId64,
                 oracle_pid_text(oracle, to->pid, text), cents, to->ledger);
}

static void on_dead_letter(struct oracle *oracle, struct machine *machine,
                           const struct observation *what) {
    struct mail *mail = mail_of(oracle, what);
    bool by_session = strcmp(what->reason, deadletter_text(DEADLETTER_SESSION)) == 0;
    bool again = mail->dead && !mail->dead_by_session && !by_session;
    bool late = mail->received && !by_session;
    if (again || late) fail_mail(oracle, mail, "I2: a dead letter after it was handled or dead");
    if (what->epoch > life_of(oracle, machine)->epoch)
        fail_mail(oracle, mail, "I6: dead newer than its node");
    if (mail->sent && mail->sent_epoch > what->epoch)
        fail_mail(oracle, mail, "I6: dead inside, sent outside");
    oracle->sim->report->dead_letters++;
    if (!mail->dead || (mail->dead_by_session && !by_session)) {
        mail->dead_epoch = what->epoch; /* the colour of whoever dropped it */
        mail->dead_by_session = by_session;
    }
    mail->dead = true;
    close_mail(oracle, mail);
}

static void on_record(struct oracle *oracle, const struct observation *what) {
    struct mail *mail = mail_of(oracle, what);
    if (mail->recorded_epoch == what->epoch) fail_mail(oracle, mail, "I7: recorded twice");
    if (mail->sent_epoch >= what->epoch) fail_mail(oracle, mail, "I7: recorded, but sent outside");
    mail->recorded_epoch = what->epoch;
    oracle->sim->report->recorded_messages++;
}

/* ---- all events ------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static void add_to_hash(struct sim *sim, unsigned machine, const struct observation *what) {
    uint64_t words[] = {(uint64_t)what->kind << 8 | machine,
                        sim->now_ns,
                        what->actor.slot,
                        what->actor.generation,
                        what->from.space,
                        what->from.slot,
                        what->from.generation,
                        what->to.space,
                        what->to.slot,
                        what->to.generation,
                        what->serial,
                        what->colour,
                        what->epoch};
    uint64_t *hash = sim->report->hash;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        hash[0] = mix(hash[0] + i, words[i]);
        hash[1] = mix(hash[1] ^ hash[0], words[i] + 1);
    }
}

static void trace(struct oracle *oracle, const struct machine *machine,
                  const struct observation *what) {
    static const char *const names[] = {"birth",   "death",       "send",         "receive",
                                        "handled", "dead letter", "record actor", "record",
                                        "epoch",   "turn"};
    if (!oracle->sim->verbose) return;
    char a[64], b[64];
    if (what->serial != 0)
        sim_trace(oracle->sim,
                  "%s %s %s #%" PRIu64 " %s -> %s colour %" PRIx64 " epoch %" PRIx64 "%s%s",
                  machine->name, names[what->kind], what->record == NULL ? "stop" : what->record,
                  what->serial, oracle_pid_text(oracle, what->from, a),
                  oracle_pid_text(oracle, what->to, b), what->colour, what->epoch,
                  what->reason == NULL ? "" : " ", what->reason == NULL ? "" : what->reason);
    else
        sim_trace(oracle->sim, "%s %s %s epoch %" PRIx64, machine->name, names[what->kind],
                  oracle_pid_text(oracle, what->actor, a), what->epoch);
}

void oracle_observe(struct oracle *oracle, struct machine *machine,
                    const struct observation *what) {
    struct simulator_report *report = oracle->sim->report;
    bool is_message = what->kind == OBSERVE_SEND || what->kind == OBSERVE_RECEIVE ||
                      what->kind == OBSERVE_HANDLED || what->kind == OBSERVE_DEAD_LETTER ||
                      what->kind == OBSERVE_RECORD_MESSAGE;
    if (is_message && what->serial == 0) return; /* a timer's token: no channel message */
    trace(oracle, machine, what);
    switch (what->kind) {
        case OBSERVE_BIRTH:
            on_birth(oracle, machine, what);
            return;
        case OBSERVE_DEATH:
            on_death(oracle, what);
            return;
        case OBSERVE_EPOCH:
            on_epoch(oracle, machine, what);
            return;
        case OBSERVE_TURN:
            on_turn(oracle, what, false);
            return;
        case OBSERVE_HANDLED:
            on_handled(oracle, what);
            return;
        case OBSERVE_DEAD_LETTER:
            on_dead_letter(oracle, machine, what);
            return;
        case OBSERVE_SEND:
            report->sends++;
            on_send(oracle, machine, what);
            break;
        case OBSERVE_RECEIVE:
            report->receives++;
            on_receive(oracle, machine, what);
            break;
        case OBSERVE_RECORD_ACTOR:
            on_turn(oracle, what, true);
            break;
        case OBSERVE_RECORD_MESSAGE:
            on_record(oracle, what);
            break;
    }
    add_to_hash(oracle->sim, machine->index, what);
}

/* ---- the end --------------------------------------------------------------------------------- */

bool oracle_is_quiet(struct oracle *oracle) {
    return oracle->open_count == 0 && oracle->sim->now_ns >= oracle->sim->load_until_ns;
}

void oracle_check_end(struct oracle *oracle) {
    for (size_t i = 0; i < oracle->mail_count; i++)
        if (oracle->mails[i]->open)
            fail_mail(oracle, oracle->mails[i], "I2: lost, neither handled nor a dead letter");
}
