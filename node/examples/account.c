/* account.c - the smallest whole behavior: a purse takes deposits and tells its balance. */
#include <troupe.h>

struct deposit {
    int64_t cents;
};
struct get {
    char unused;
};
struct balance {
    int64_t cents;
};
struct purse {
    int64_t cents;
};
TR_RECORD(deposit, TR_FIELD(deposit, cents));
TR_RECORD(get);
TR_RECORD(balance, TR_FIELD(balance, cents));
TR_RECORD(purse, TR_FIELD(purse, cents));

static tr_status on_deposit(tr_actor *self, void *state, const tr_message *message) {
    struct purse *purse = state;
    const struct deposit *deposit = tr_body(message);
    if (deposit->cents < 0) return tr_fail(self, "negative deposit %" PRId64, deposit->cents);
    purse->cents += deposit->cents;
    return TR_OK;
}

static tr_status on_get(tr_actor *self, void *state, const tr_message *message) {
    const struct purse *purse = state;
    return tr_reply(self, message, balance, .cents = purse->cents);
}

const tr_behavior purse_behavior = {
    .name = "purse",
    .version = 1,
    .state = &purse_record,
    .handlers = TR_HANDLERS({&deposit_record, on_deposit}, {&get_record, on_get}),
};
TR_EXPORT(&purse_behavior);
