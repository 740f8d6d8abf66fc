/* services_test.c - mailbox marks, and spawns through the node's spawner. */
#include "node/services.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/runtime_fixture.h"

TestSuite(services, .timeout = 30);

static struct fixture world;

static tr_status refuse(tr_actor *self, void *state) {
    (void)state;
    return tr_fail(self, "not today");
}

static const tr_behavior plain = {.name = "plain", .version = 1};
static const tr_behavior refuses = {.name = "refuses", .version = 1, .init = refuse};

static void open_world(void) {
    static const tr_behavior *const offered[] = {&plain, &refuses, NULL};
    fixture_open(&world, 1, 1, (struct mailbox_limits){500, 1000, 16000}, offered);
    cr_assert(fixture_settle(&world, 100));
}

static tr_status limits_of(tr_mailbox_options options, struct mailbox_limits *out) {
    tr_error error = {0};
    tr_status status = services_limits(world.runtime, &options, out, &error);
    cr_assert_eq(error.status, status);
    if (status != TR_OK) cr_assert(error.message[0] != '\0' && error.hint[0] != '\0');
    return status;
}

Test(services, marks_that_are_not_given_take_the_nodes_or_follow_high) {
    open_world();
    struct mailbox_limits limits;
    cr_assert_eq(limits_of((tr_mailbox_options){0}, &limits), TR_OK);
    cr_assert(limits.low == 500 && limits.high == 1000 && limits.hard == 16000);
    cr_assert_eq(limits_of((tr_mailbox_options){.high = 10}, &limits), TR_OK);
    cr_assert(limits.low == 5 && limits.high == 10 && limits.hard == 160);
    cr_assert_eq(limits_of((tr_mailbox_options){.high = 100000}, &limits), TR_OK);
    cr_assert_eq(limits.hard, 1000000);
    cr_assert_eq(limits_of((tr_mailbox_options){.low = 2, .high = 10, .hard = 11}, &limits), TR_OK);
    cr_assert(limits.low == 2 && limits.high == 10 && limits.hard == 11);
    fixture_close(&world);
}

Test(services, marks_out_of_order_or_too_large_are_refused_and_leave_the_result_untouched) {
    open_world();
    struct mailbox_limits limits = {7, 7, 7};
    const tr_mailbox_options bad[] = {{.low = 1000},        {.high = 16000, .hard = 16000},
                                      {.hard = 1000},       {.hard = 1000001},
                                      {.high = 1000000},    {.low = 10, .high = 10},
                                      {.high = UINT32_MAX}, {.high = 0x10000001}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(limits_of(bad[i], &limits), TR_EINVAL, "case %zu", i);
    cr_assert_eq(limits.high, 7);
    fixture_close(&world);
}

Test(services, other_policies_are_refused_not_ignored) {
    open_world();
    struct mailbox_limits limits;
    for (int policy = TR_OVERFLOW_REJECT; policy <= TR_OVERFLOW_UNBOUNDED + 1; policy++)
        cr_assert_eq(limits_of((tr_mailbox_options){.overflow = (tr_overflow)policy}, &limits),
                     TR_ENOTSUP);
    fixture_close(&world);
}

/* Asks the spawner through a port, stepping the workers by hand. */
static struct tr_spawned spawn(const char *behavior, const char *name) {
    static tr_port *port;
    if (port == NULL) cr_assert_eq(port_open(world.runtime, NULL, NULL, &port), TR_OK);
    struct spawn_request request = {.behavior = {behavior, (uint32_t)strlen(behavior)},
                                    .name = {name, (uint32_t)strlen(name)}};
    const record_type *type;
    tr_trace trace = {{0}, 0};
    cr_assert_eq(record_table_intern(world.runtime->records, &spawn_request_record, &type, NULL),
                 TR_OK);
    cr_assert_eq(port_post(port, world.runtime->spawner, MESSAGE_USER, MESSAGE_ASK, type, &request,
                           &trace, NULL),
                 TR_OK);
    fixture_settle(&world, 1000);
    tr_message *reply = port_take(port);
    cr_assert_not_null(reply);
    cr_assert_str_eq(tr_record_name(reply), "tr_spawned");
    struct tr_spawned spawned = *(const struct tr_spawned *)tr_body(reply);
    message_free(reply);
    return spawned;
}

Test(services, a_spawn_is_answered_once_init_has_run) {
    open_world();
    struct tr_spawned spawned = spawn("plain", "");
    cr_assert_eq(spawned.status, TR_OK);
    cr_assert_not_null(fixture_actor(&world, spawned.pid));
    spawned = spawn("refuses", "");
    cr_assert_eq(spawned.status, TR_EFAILED);
    cr_assert_not_null(strstr(spawned.reason, "not today"));
    fixture_close(&world);
}

Test(services, what_is_not_offered_or_is_the_nodes_own_cannot_be_spawned) {
    open_world();
    cr_assert_eq(spawn("nothing", "").status, TR_ENOENT);
    cr_assert_eq(spawn("troupe.namer", "").status, TR_ENOENT);
    cr_assert_eq(spawn("plain", "a/b").status, TR_EINVAL);
    fixture_close(&world);
}
