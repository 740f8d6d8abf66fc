/* oracle_cut.c - checks one committed snapshot: manifest and parts against the books. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster-tests/load.h"
#include "cluster-tests/oracle.h"
#include "cluster-tests/oracle_books.h"
#include "node/base/memory.h"
#include "node/manifest.h"
#include "node/part_reader.h"
#include "node/services.h"
#include "node/snapshot_store.h"

/* What is found while a cut is read. */
struct cut {
    struct oracle *oracle;
    const struct manifest *manifest;
    const char *id;
    uint64_t epoch;
    int64_t cents;       /* in accounts and deposits of all parts */
    struct mail **found; /* messages of the part being read */
    size_t found_count, found_room;
    uint64_t recorded[MACHINES_MAX][MACHINES_MAX]; /* messages in parts, by link: from, to */
};

__attribute__((noreturn)) static void fail_cut(const struct cut *cut, const struct mail *mail,
                                               const char *what) {
    char from[64], to[64];
    sim_fail(cut->oracle->sim,
             "%s in %s (%" PRIx64 "): %s %" PRIu64 " from %s to %s, sent in %" PRIx64
             ", received %d in %" PRIx64 ", dead %d%s in %" PRIx64,
             what, cut->id, cut->epoch, mail->record == NULL ? "stop" : mail->record, mail->serial,
             oracle_pid_text(cut->oracle, mail->from->pid, from),
             oracle_pid_text(cut->oracle, mail->to, to), mail->sent_epoch, mail->received,
             mail->received_epoch, mail->dead, mail->dead_by_session ? " by session" : "",
             mail->dead_epoch);
}

__attribute__((noreturn)) static void fail_actor(const struct cut *cut, const struct book *book,
                                                 const char *what) {
    char text[64];
    sim_fail(cut->oracle->sim, "%s in %s: %s %s", what, cut->id,
             book->behavior == NULL ? "?" : book->behavior,
             oracle_pid_text(cut->oracle, book->pid, text));
}

static bool is_member(const struct cut *cut, const struct life *life) {
    return life != NULL && life->in_cut == cut->epoch;
}

/* The first turn of an actor to the cut or beyond; NULL: none. */
static const struct turn *turn_of(const struct cut *cut, const struct book *book) {
    for (size_t i = 0; i < book->turn_count; i++)
        if (book->turns[i].epoch >= cut->epoch) return &book->turns[i];
    return NULL;
}

static uint32_t session_of(const struct cut *cut, const struct life *from, unsigned to) {
    for (size_t i = 0; i < from->start_count; i++)
        if (from->starts[i].epoch == cut->epoch) return from->starts[i].sessions[to];
    return 0;
}

/* ---- the parts ------------------------------------------------------------------------------- */

static void read_actor(struct cut *cut, const part_reader *reader, const part_actor *actor,
                       const struct life *life) {
    struct book *book = map_pid_find(&cut->oracle->books, actor->pid);
    if (book == NULL || !book->observed)
        sim_fail(cut->oracle->sim, "I7: an actor in %s was never born", cut->id);
    const struct turn *turn = turn_of(cut, book);
    if (book->life != life) fail_actor(cut, book, "I7: in a wrong part");
    if (book->in_part == cut->epoch) fail_actor(cut, book, "I7: recorded twice");
    book->in_part = cut->epoch;
    if (turn == NULL || turn->epoch != cut->epoch || !turn->recorded)
        fail_actor(cut, book, "I7: in the part, but not recorded");
    if (!book->is_account) return;
    struct account *account = part_reader_decode(reader, actor->record, actor->state);
    if (account->cents != turn->cents) fail_actor(cut, book, "money: another state than it had");
    cut->cents += account->cents;
    mem_free(account);
}

static bool text_is(tr_text text, const char *expected) {
    return text.bytes == strlen(expected) && memcmp(text.data, expected, text.bytes) == 0;
}

static void read_message(struct cut *cut, const part_reader *reader, const part_message *message,
                         const struct life *life) {
    struct oracle *oracle = cut->oracle;
    struct mail *mail = oracle_mail_find(oracle, message->from, message->id);
    if (mail == NULL) sim_fail(oracle->sim, "I7: a message in %s was never sent", cut->id);
    if (mail->in_part == cut->epoch) fail_cut(cut, mail, "I7: recorded twice");
    mail->in_part = cut->epoch;
    mail->part_order = message->order;
    mail->part_dead = message->reason.data != NULL;
    bool local = message->link.data == NULL;
    /* A message of a session that is over is of no channel any more: it stands there like a local
     * one. */
    bool of_session = mail->from->life != life &&
                      mail->session == session_of(cut, mail->from->life, life->machine);
    if (local == of_session) fail_cut(cut, mail, "I7: with a wrong link");
    if (!local) {
        unsigned from = mail->from->life->machine;
        if (!text_is(message->link, oracle->sim->machines[from].name))
            fail_cut(cut, mail, "I7: with a wrong link");
        cut->recorded[from][life->machine]++;
    }
    if (mail->record != NULL && strcmp(mail->record, "deposit") == 0) {
        struct deposit *deposit = part_reader_decode(reader, message->record, message->body);
        if (deposit->cents != load_amount(mail->to)) fail_cut(cut, mail, "money: a wrong amount");
        cut->cents += deposit->cents;
        mem_free(deposit);
    }
    if (mail->record != NULL && strcmp(mail->record, "spawn") == 0 && !mail->part_dead) {
        struct spawn_request *request = part_reader_decode(reader, message->record, message->body);
        if (request == NULL || request->behavior.bytes == 0)
            fail_cut(cut, mail, "I7: not as it could be spawned again");
        mem_free(request);
    }
    if (cut->found_count == cut->found_room) {
        cut->found_room = cut->found_room == 0 ? 256 : 2 * cut->found_room;
        cut->found = mem_realloc_array(cut->found, cut->found_room, sizeof *cut->found);
    }
    cut->found[cut->found_count++] = mail;
}

static int compare_pids(tr_pid a, tr_pid b) {
    if (a.space != b.space) return a.space < b.space ? -1 : 1;
    if (a.slot != b.slot) return a.slot < b.slot ? -1 : 1;
    return a.generation == b.generation ? 0 : a.generation < b.generation ? -1 : 1;
}

static int by_channel(const void *left, const void *right) {
    const struct mail *a = *(struct mail *const *)left, *b = *(struct mail *const *)right;
    int order = compare_pids(a->to, b->to);
    if (order == 0) order = compare_pids(a->from->pid, b->from->pid);
    if (order == 0) order = a->part_order < b->part_order ? -1 : a->part_order > b->part_order;
    return order;
}

/* The messages of one channel stand in the order they were sent. Of those that died with their
 * actor each died by itself: what came after it had closed may be recorded before what it still
 * drops. */
static void check_part_order(struct cut *cut) {
    if (cut->found_count == 0) return;
    qsort(cut->found, cut->found_count, sizeof *cut->found, by_channel);
    const struct mail *before = NULL;
    for (size_t i = 0; i < cut->found_count; i++) {
        const struct mail *mail = cut->found[i];
        if (mail->from->pid.slot == 0 || oracle_may_overtake(mail->record)) continue;
        if (before != NULL && before->from == mail->from && tr_pid_equal(before->to, mail->to) &&
            before->serial >= mail->serial && !(before->part_dead && mail->part_dead))
            fail_cut(cut, mail, "I7: recorded out of order");
        before = mail;
    }
}

static struct machine *machine_named(const struct oracle *oracle, const char *name) {
    for (unsigned i = 0; i < oracle->sim->machine_count; i++)
        if (strcmp(oracle->sim->machines[i].name, name) == 0) return &oracle->sim->machines[i];
    return NULL;
}

static void read_part(struct cut *cut, const manifest_member *member) {
    struct sim *sim = cut->oracle->sim;
    struct machine *machine = machine_named(cut->oracle, member->name);
    const struct life *life = map_u64_find(&cut->oracle->lives, member->space);
    if (machine == NULL || life == NULL || life->machine != machine->index)
        sim_fail(sim, "%s has a member that never was", cut->id);
    storage_files files = storage_memory_files(machine->disk);
    char *path = mem_format("data/snapshots/%s/%s", cut->id, member->file);
    part_reader *reader;
    part_item item;
    tr_error error = {0};
    cut->found_count = 0;
    if (part_reader_open(&files, path, cut->manifest, member, &reader, &error) != TR_OK)
        sim_fail(sim, "committed, but %s", error.message);
    while (part_reader_next(reader, &item, &error) == TR_OK && item.kind != PART_ITEM_END) {
        if (item.kind == PART_ITEM_ACTOR)
            read_actor(cut, reader, &item.actor, life);
        else
            read_message(cut, reader, &item.message, life);
    }
    if (item.kind != PART_ITEM_END) sim_fail(sim, "committed, but %s", error.message);
    part_reader_close(reader);
    mem_free(path);
    check_part_order(cut);
}

/* ---- actors ---------------------------------------------------------------------------------- */

/* Checks that each actor which had to be recorded was; returns what the accounts began with, less
 * what those that died inside had. */
static int64_t check_actors(const struct cut *cut) {
    int64_t cents = 0;
    size_t cursor = 0;
    for (const struct book *book;
         (book = map_pid_next(&cut->oracle->books, &cursor, NULL)) != NULL;) {
        if (!book->observed || !is_member(cut, book->life) || book->birth_epoch >= cut->epoch)
            continue;
        const struct turn *turn = turn_of(cut, book);
        if (turn != NULL && turn->epoch == cut->epoch && !turn->recorded)
            fail_actor(cut, book, "I7: turned, but not recorded");
        if (book->is_service && turn != NULL) continue;
        if (turn == NULL ? !book->dead : book->in_part != cut->epoch)
            fail_actor(cut, book, "I7: alive at the cut, but not in its part");
        if (book->is_account && turn != NULL) cents += book->born_cents;
        if (book->is_account && turn == NULL) cents += book->born_cents - book->ledger;
    }
    return cents;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* Judges one message; returns the cents that it took out of the cut (or, negative, brought in). */
static int64_t check_mail(const struct cut *cut, const struct mail *mail) {
    bool from_member = is_member(cut, mail->from->life);
    bool to_member = is_member(cut, map_u64_find(&cut->oracle->lives, mail->to.space));
    bool sent = mail->sent_epoch < cut->epoch;
    bool received = mail->received && mail->received_epoch < cut->epoch;
    bool dead = mail->dead && mail->dead_epoch < cut->epoch;
    bool recorded = mail->in_part == cut->epoch;
    if (!from_member && !to_member) return 0;
    if (received && !sent) fail_cut(cut, mail, "I6: received inside, sent outside");
    if (recorded && (!sent || received)) fail_cut(cut, mail, "I7: recorded, but not in flight");
    if (recorded && dead && !mail->dead_by_session)
        fail_cut(cut, mail, "I7: recorded, but dead before");
    /* Between members nothing is lost but with a session, and then it is a dead letter where it was
     * sent; it may have arrived all the same. What became of it at a node that is no member is not
     * known there. */
    bool arrived = mail->received && to_member;
    bool known = arrived || (mail->dead && !(mail->dead_by_session && dead)) ||
                 (from_member && to_member && !mail->dead && !mail->lost);
    bool in_flight =
        mail->sent && sent && !received && (!dead || (mail->dead_by_session && arrived));
    if (known && in_flight && !recorded && from_member)
        fail_cut(cut, mail, "I7: in flight, but not recorded");
    if (mail->record == NULL || strcmp(mail->record, "deposit") != 0) return 0;
    bool kept = recorded || (received && to_member);
    if (from_member) return sent && mail->sent && !kept ? load_amount(mail->to) : 0;
    return kept ? -load_amount(mail->to) : 0;
}

static int64_t check_mails(const struct cut *cut) {
    int64_t cents = 0;
    for (size_t i = 0; i < cut->oracle->mail_count; i++)
        cents += check_mail(cut, cut->oracle->mails[i]);
    return cents;
}

/* ---- links ----------------------------------------------------------------------------------- */

static void check_links(const struct cut *cut) {
    struct oracle *oracle = cut->oracle;
    uint64_t sent[MACHINES_MAX][MACHINES_MAX] = {{0}};
    for (size_t i = 0; i < oracle->mail_count; i++) {
        const struct mail *mail = oracle->mails[i];
        const struct life *to = map_u64_find(&oracle->lives, mail->to.space);
        if (!mail->sent || mail->session == 0 || mail->sent_epoch >= cut->epoch ||
            !is_member(cut, mail->from->life) || !is_member(cut, to))
            continue;
        if (mail->session == session_of(cut, mail->from->life, to->machine))
            sent[mail->from->life->machine][to->machine]++;
    }
    tr_error error = {0};
    if (manifest_check_links(cut->manifest, &error) != TR_OK)
        sim_fail(oracle->sim, "I8: %s: %s", cut->id, error.message);
    for (uint32_t i = 0; i < cut->manifest->link_count; i++) {
        const manifest_link *link = &cut->manifest->links[i];
        unsigned from = machine_named(oracle, link->from)->index,
                 to = machine_named(oracle, link->to)->index;
        if (link->sent != sent[from][to] || link->recorded != cut->recorded[from][to])
            sim_fail(oracle->sim,
                     "I8: %s, %s to %s: the manifest has sent %" PRIu64 ", received %" PRIu64
                     ", recorded %" PRIu64 "; %" PRIu64 " were sent, %" PRIu64 " are in the part",
                     cut->id, link->from, link->to, link->sent, link->received, link->recorded,
                     sent[from][to], cut->recorded[from][to]);
    }
}

/* ---- a cut ----------------------------------------------------------------------------------- */

static void check_money(const struct cut *cut) {
    const struct sim *sim = cut->oracle->sim;
    int64_t begun = check_actors(cut), gone = check_mails(cut);
    if (sim->profile.fault_gap_ns == 0 && gone != 0)
        sim_fail(cut->oracle->sim, "money: %s lost %" PRId64 " without a fault", cut->id, gone);
    if (cut->cents != begun - gone)
        sim_fail(cut->oracle->sim, "money: %s holds %" PRId64 ", and should hold %" PRId64, cut->id,
                 cut->cents, begun - gone);
}

void oracle_check_cut(struct oracle *oracle, struct machine *machine, const char *id) {
    static char present;
    if (map_text_put(&oracle->checked, id, &present) != NULL) return;
    storage_files files = storage_memory_files(machine->disk);
    char *path = mem_format("data/snapshots/%s/manifest", id);
    struct manifest *manifest;
    tr_error error = {0};
    if (manifest_load(&files, path, &manifest, &error) != TR_OK)
        sim_fail(oracle->sim, "committed, but %s", error.message);
    struct cut cut = {.oracle = oracle, .manifest = manifest, .id = id, .epoch = manifest->epoch};
    for (uint32_t i = 0; i < manifest->member_count; i++) {
        struct life *life = map_u64_find(&oracle->lives, manifest->members[i].space);
        if (life != NULL) life->in_cut = cut.epoch;
    }
    for (uint32_t i = 0; i < manifest->member_count; i++) read_part(&cut, &manifest->members[i]);
    check_money(&cut);
    check_links(&cut);
    mem_free(cut.found);
    manifest_free(manifest);
    mem_free(path);
}

void oracle_check_disks(struct oracle *oracle) {
    for (unsigned i = 0; i < oracle->sim->machine_count; i++) {
        struct machine *machine = &oracle->sim->machines[i];
        storage_files files = storage_memory_files(machine->disk);
        static const char *const directories[] = {"data/snapshots", NULL};
        snapshot_list list;
        tr_error error = {0};
        if (snapshot_store_list(&files, directories, &list, &error) != TR_OK)
            sim_fail(oracle->sim, "%s", error.message);
        for (size_t j = 0; j < list.count; j++) {
            if (list.entries[j].status != TR_OK)
                sim_fail(oracle->sim, "%s: %s", machine->name, list.entries[j].error.message);
            oracle_check_cut(oracle, machine, list.entries[j].id);
        }
        snapshot_list_fini(&list);
    }
}
