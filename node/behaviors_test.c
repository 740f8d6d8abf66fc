/* behaviors_test.c - what may be offered, and how handlers are found. */
#include "node/behaviors.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(behaviors, .timeout = 30);

struct one {
    int64_t number;
};
struct bad {
    void *pointer;
};
TR_RECORD(one, TR_FIELD(one, number));
TR_RECORD(bad, TR_FIELD(bad, pointer));

/* Another version of record one. */
struct other {
    int64_t number;
    bool more;
};
static const tr_record other_record = {
    "one", sizeof(struct other), _Alignof(struct other),
    (const tr_field[]){TR_FIELD(other, number), TR_FIELD(other, more), {0}}};

static tr_status handle(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    return TR_OK;
}

static record_table *records;
static struct behaviors table;

static void open_table(void) {
    records = record_table_new(NULL);
    behaviors_init(&table, records);
}

static void close_table(void) {
    behaviors_fini(&table);
    record_table_free(records);
}

static tr_status offer(const tr_behavior *behavior, const char *words) {
    tr_error error = {0};
    tr_status status = behaviors_offer(&table, behavior, false, &error);
    cr_assert_eq(status, status == TR_OK ? TR_OK : error.status);
    if (status != TR_OK) cr_assert_not_null(strstr(error.message, words), "%s", error.message);
    return status;
}

Test(behaviors, one_that_is_offered_is_found_by_name_and_by_struct) {
    open_table();
    tr_behavior good = {.name = "good",
                        .version = 1,
                        .state = &one_record,
                        .handlers = TR_HANDLERS({&one_record, handle})};
    cr_assert_eq(offer(&good, ""), TR_OK);
    cr_assert_eq(behaviors_find(&table, "good"), behaviors_of(&table, &good));
    cr_assert_not_null(behaviors_find(&table, "good"));
    cr_assert_null(behaviors_find(&table, "goo"));
    cr_assert(behavior_handles(behaviors_find(&table, "good"), "one"));
    cr_assert_not(behavior_handles(behaviors_find(&table, "good"), "two"));
    close_table();
}

Test(behaviors, a_second_of_the_same_name_is_refused) {
    open_table();
    tr_behavior first = {.name = "same"}, second = {.name = "same"};
    cr_assert_eq(offer(&first, ""), TR_OK);
    cr_assert_eq(offer(&second, "same"), TR_EEXIST);
    cr_assert_eq(behaviors_find(&table, "same")->offered, &first);
    close_table();
}

Test(behaviors, what_cannot_work_is_refused_with_its_reason) {
    open_table();
    tr_behavior nameless = {.version = 1},
                no_function = {.name = "a", .handlers = TR_HANDLERS({&one_record, NULL})},
                bad_record_ = {.name = "b", .handlers = TR_HANDLERS({&bad_record, handle})},
                bad_state = {.name = "c", .state = &bad_record},
                twice = {.name = "d",
                         .handlers = TR_HANDLERS({&one_record, handle}, {&other_record, handle})};
    cr_assert_eq(offer(&nameless, "name"), TR_EINVAL);
    cr_assert_eq(offer(&no_function, "one"), TR_EINVAL);
    cr_assert_eq(offer(&bad_record_, "pointer"), TR_EINVAL);
    cr_assert_eq(offer(&bad_state, "pointer"), TR_EINVAL);
    cr_assert_eq(offer(&twice, "two handlers"), TR_EINVAL);
    cr_assert_null(behaviors_find(&table, "d"));
    close_table();
}

Test(behaviors, an_entry_is_found_for_its_type_and_for_another_version_of_it) {
    open_table();
    tr_behavior good = {.name = "good", .handlers = TR_HANDLERS({&one_record, handle})};
    offer(&good, "");
    const record_type *other;
    cr_assert_eq(record_table_intern(records, &other_record, &other, NULL), TR_OK);
    const struct behavior *found = behaviors_find(&table, "good");
    cr_assert_neq(other, found->entries[0].type);
    cr_assert_eq(behavior_entry_for(found, other), &found->entries[0]);
    cr_assert_eq(behavior_entry_for(found, found->entries[0].type), &found->entries[0]);
    close_table();
}
