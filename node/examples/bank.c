/*
 * bank.c - accounts that send each other money, and tellers that keep them busy.
 *
 * Money is neither made nor lost while the accounts live: what has left one account and has not
 * reached the other is in a deposit message. So account.cents plus deposit.cents in flight is the
 * same at every cut. An account counts each transfer it handles, a teller each that was accepted:
 * once the tellers have stopped and all mail is handled, both sums are equal, but for transfers
 * that became dead letters.
 */
#include <stdio.h>
#include <stdlib.h>
#include <troupe.h>

struct account {
    int64_t cents;
    uint64_t transfers; /* handled, whether covered or not */
};
struct deposit {
    int64_t cents;
};
struct withdraw {
    int64_t cents;
};
struct transfer {
    tr_pid to;
    int64_t cents;
};
struct get {
    char unused;
};
struct balance {
    int64_t cents;
};
TR_RECORD(account, TR_FIELD(account, cents), TR_FIELD(account, transfers));
TR_RECORD(deposit, TR_FIELD(deposit, cents));
TR_RECORD(withdraw, TR_FIELD(withdraw, cents));
TR_RECORD(transfer, TR_FIELD(transfer, to), TR_FIELD(transfer, cents));
TR_RECORD(get);
TR_RECORD(balance, TR_FIELD(balance, cents));

/* ---- account --------------------------------------------------------------------------------- */

/* Answers with the balance, if there is somebody to answer. That nobody waits any more is no reason
 * for an account to fail: what it holds would be lost. */
static void tell_balance(tr_actor *self, const struct account *account, const tr_message *message) {
    if (tr_request_of(message).id == 0) return;
    tr_reply(self, message, balance, .cents = account->cents);
}

/* Adds the money; refuses a negative amount and what would overflow. */
static tr_status on_deposit(tr_actor *self, void *state, const tr_message *message) {
    struct account *account = state;
    const struct deposit *deposit = tr_body(message);
    int64_t sum;
    if (deposit->cents < 0 || __builtin_add_overflow(account->cents, deposit->cents, &sum))
        tr_log(self, TR_WARN, "refused a deposit of %" PRId64 " cents", deposit->cents);
    else
        account->cents = sum;
    tell_balance(self, account, message);
    return TR_OK;
}

static bool covers(const struct account *account, int64_t cents) {
    return cents >= 0 && cents <= account->cents;
}

/* Takes the money off if it is there; an ask sees by the balance whether it was. */
static tr_status on_withdraw(tr_actor *self, void *state, const tr_message *message) {
    struct account *account = state;
    const struct withdraw *withdraw = tr_body(message);
    if (covers(account, withdraw->cents)) account->cents -= withdraw->cents;
    tell_balance(self, account, message);
    return TR_OK;
}

static tr_status on_transfer(tr_actor *self, void *state, const tr_message *message) {
    struct account *account = state;
    const struct transfer *transfer = tr_body(message);
    account->transfers++;
    if (!covers(account, transfer->cents) || tr_pid_is_none(transfer->to)) return TR_OK;
    account->cents -= transfer->cents;
    tr_status status = tr_send(self, transfer->to, deposit, .cents = transfer->cents);
    if (status != TR_OK) account->cents += transfer->cents; /* never sent, so it is still here */
    return TR_OK;
}

static tr_status on_account_get(tr_actor *self, void *state, const tr_message *message) {
    tell_balance(self, state, message);
    return TR_OK;
}

static const tr_behavior account_behavior = {
    .name = "account",
    .version = 1,
    .state = &account_record,
    .handlers = TR_HANDLERS({&deposit_record, on_deposit}, {&withdraw_record, on_withdraw},
                            {&transfer_record, on_transfer}, {&get_record, on_account_get}),
};

/* ---- teller ---------------------------------------------------------------------------------- */

struct teller {
    uint64_t sent;    /* transfers that were accepted */
    uint64_t refused; /* transfers that found a full mailbox or queue */
    uint64_t tick;    /* number of the only tick that counts */
    bool running;
    tr_list accounts; /* of tr_pid */
};
struct run {
    tr_text prefix; /* the accounts are PREFIX-0, PREFIX-1, ... */
    uint32_t count;
};
struct stop {
    char unused;
};
struct tick {
    uint64_t number;
};
struct report {
    uint64_t sent;
    uint64_t refused;
    uint32_t accounts;
    bool running;
};
TR_RECORD(teller, TR_FIELD(teller, sent), TR_FIELD(teller, refused), TR_FIELD(teller, tick),
          TR_FIELD(teller, running), TR_FIELD_LIST(teller, accounts, tr_pid));
TR_RECORD(run, TR_FIELD(run, prefix), TR_FIELD(run, count));
TR_RECORD(stop);
TR_RECORD(tick, TR_FIELD(tick, number));
TR_RECORD(report, TR_FIELD(report, sent), TR_FIELD(report, refused), TR_FIELD(report, accounts),
          TR_FIELD(report, running));

enum {
    TRANSFERS_A_TICK = 100,
    CENTS_MAX = 100,        /* of one transfer */
    ACCOUNTS_MAX = 1000000, /* of one run */
    RETRY_MS = 1            /* after a refusal */
};

static void tell_report(tr_actor *self, const struct teller *teller, const tr_message *message) {
    if (tr_request_of(message).id == 0) return;
    tr_reply(self, message, report, .sent = teller->sent, .refused = teller->refused,
             .accounts = teller->accounts.count, .running = teller->running);
}

/* Looks the names up and keeps the accounts that are there; false when there are fewer than two. */
static bool find_accounts(tr_actor *self, struct teller *teller, const struct run *run) {
    uint32_t wanted = run->count < ACCOUNTS_MAX ? run->count : ACCOUNTS_MAX;
    tr_pid *found = calloc(wanted + 1, sizeof *found);
    if (found == NULL) return false;
    uint32_t count = 0;
    for (uint32_t i = 0; i < wanted; i++) {
        char name[256];
        snprintf(name, sizeof name, "%.*s-%" PRIu32, (int)run->prefix.bytes, run->prefix.data, i);
        if (tr_whereis(self, name, &found[count]) == TR_OK) count++;
    }
    bool enough = count >= 2 && tr_list_set(self, &teller->accounts, found, count) == TR_OK;
    free(found);
    if (!enough || count < run->count)
        tr_log(self, TR_WARN, "found %" PRIu32 " of the %" PRIu32 " accounts %.*s-0 ...", count,
               run->count, (int)run->prefix.bytes, run->prefix.data);
    return enough;
}

/* Sends itself the next tick, which alone counts from now on: there is never a second loop. */
static tr_status go_on(tr_actor *self, struct teller *teller, uint64_t delay_ms) {
    teller->tick++;
    if (delay_ms == 0 && tr_send(self, tr_self(self), tick, .number = teller->tick) == TR_OK)
        return TR_OK;
    return tr_send_after(self, RETRY_MS, tick, .number = teller->tick);
}

/* Begins, or goes on with other accounts; changes nothing when they are not found. */
static tr_status on_run(tr_actor *self, void *state, const tr_message *message) {
    struct teller *teller = state;
    tr_status status = TR_OK;
    if (find_accounts(self, teller, tr_body(message))) {
        teller->running = true;
        status = go_on(self, teller, 0);
    }
    tell_report(self, teller, message);
    return status;
}

static tr_status on_stop(tr_actor *self, void *state, const tr_message *message) {
    struct teller *teller = state;
    teller->running = false;
    tell_report(self, teller, message);
    return TR_OK;
}

/* Asks one account to send a random amount to another one. */
static tr_status send_transfer(tr_actor *self, struct teller *teller) {
    const tr_pid *accounts = teller->accounts.items;
    uint64_t count = teller->accounts.count;
    uint64_t from = tr_random(self) % count;
    uint64_t to = (from + 1 + tr_random(self) % (count - 1)) % count;
    int64_t cents = 1 + (int64_t)(tr_random(self) % CENTS_MAX);
    tr_status status = tr_send(self, accounts[from], transfer, .to = accounts[to], .cents = cents);
    if (status == TR_OK)
        teller->sent++;
    else
        teller->refused++;
    return status;
}

/* One batch of transfers. Past a refusal it waits a little: the accounts must catch up, and a
 * handler that tried again at once would only keep them from it. */
static tr_status on_tick(tr_actor *self, void *state, const tr_message *message) {
    struct teller *teller = state;
    const struct tick *tick = tr_body(message);
    if (!teller->running || tick->number != teller->tick) return TR_OK;
    for (int i = 0; i < TRANSFERS_A_TICK; i++)
        if (send_transfer(self, teller) != TR_OK) return go_on(self, teller, RETRY_MS);
    return go_on(self, teller, 0);
}

static tr_status on_teller_get(tr_actor *self, void *state, const tr_message *message) {
    tell_report(self, state, message);
    return TR_OK;
}

static const tr_behavior teller_behavior = {
    .name = "teller",
    .version = 1,
    .state = &teller_record,
    .handlers = TR_HANDLERS({&run_record, on_run}, {&stop_record, on_stop}, {&tick_record, on_tick},
                            {&get_record, on_teller_get}),
};

TR_EXPORT(&account_behavior, &teller_behavior);
