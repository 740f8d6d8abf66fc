#include "node/record_state.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/record_random.h"
#include "node/record_table.h"

TestSuite(record_state, .timeout = 30);

struct person {
    tr_text name;
    int32_t age;
};
TR_RECORD(person, TR_FIELD(person, name), TR_FIELD(person, age));

struct club {
    int64_t cents;
    tr_text title;
    tr_bytes logo;
    struct person chair;
    struct person board[2];
    tr_list members;
    tr_list years;
    tr_text slogans[2];
    tr_text undeclared;
};
TR_RECORD(club, TR_FIELD(club, cents), TR_FIELD(club, title), TR_FIELD(club, logo),
          TR_FIELD_RECORD(club, chair, person), TR_FIELD_RECORD(club, board, person),
          TR_FIELD_LIST_RECORD(club, members, person), TR_FIELD_LIST(club, years, int32_t),
          TR_FIELD(club, slogans));

static record_table *table;
static const record_type *type;

static void open_table(void) {
    table = record_table_new(NULL);
    cr_assert_eq(record_table_intern(table, &club_record, &type, NULL), TR_OK);
}

static void close_table(void) {
    record_table_free(table);
}

static bool text_is(tr_text text, const char *expected) {
    return text.bytes == strlen(expected) && memcmp(text.data, expected, text.bytes) == 0;
}

static void set_text(struct club *club, tr_text *field, const char *text) {
    cr_assert_eq(record_state_set_text(type, club, field, text, strlen(text)), TR_OK, "%s", text);
}

Test(record_state, a_text_is_found_wherever_it_is, .init = open_table, .fini = close_table) {
    struct club club = {0};
    char text[] = "borrowed";
    set_text(&club, &club.title, text);
    set_text(&club, &club.chair.name, "chair");
    set_text(&club, &club.board[1].name, "board");
    set_text(&club, &club.slogans[1], "slogan");
    memset(text, 'x', sizeof(text));
    cr_assert(text_is(club.title, "borrowed"));
    cr_assert(text_is(club.chair.name, "chair"));
    cr_assert(text_is(club.board[1].name, "board"));
    cr_assert(text_is(club.slogans[1], "slogan"));
    cr_assert_eq(club.board[0].name.bytes, 0u);
    record_state_fini(type, &club);
    cr_assert_null(club.title.data);
    cr_assert_null(club.slogans[1].data);
}

/* Without the leak checker these show nothing but that nothing crashes. */
Test(record_state, an_old_value_is_freed_and_may_be_the_new_ones_source, .init = open_table,
     .fini = close_table) {
    struct club club = {0};
    set_text(&club, &club.title, "a long title");
    cr_assert_eq(
        record_state_set_text(type, &club, &club.title, club.title.data + 2, club.title.bytes - 2),
        TR_OK);
    cr_assert(text_is(club.title, "long title"));
    cr_assert_eq(record_state_set_text(type, &club, &club.title, NULL, 0), TR_OK);
    cr_assert_null(club.title.data);
    record_state_fini(type, &club);
}

Test(record_state, a_list_is_copied_with_all_it_holds, .init = open_table, .fini = close_table) {
    struct club club = {0};
    char name[] = "anna";
    struct person people[2] = {{{name, 4}, 30}, {{"bert", 4}, 40}};
    cr_assert_eq(record_state_set_list(type, &club, &club.members, people, 2), TR_OK);
    memset(name, 'x', 4);
    memset(people, 0xee, sizeof(people));
    const struct person *members = club.members.items;
    cr_assert(text_is(members[0].name, "anna"));
    cr_assert(text_is(members[1].name, "bert"));
    cr_assert_eq(members[1].age, 40);
    cr_assert_eq(record_state_set_list(type, &club, &club.members, members + 1, 1), TR_OK);
    cr_assert(text_is(((const struct person *)club.members.items)->name, "bert"));
    record_state_fini(type, &club);
}

Test(record_state, bytes_and_lists_of_numbers_are_copied, .init = open_table, .fini = close_table) {
    struct club club = {0};
    cr_assert_eq(record_state_set_bytes(type, &club, &club.logo, "\0\1\2", 3), TR_OK);
    cr_assert_eq(record_state_set_list(type, &club, &club.years, (int32_t[]){1999, 2024}, 2),
                 TR_OK);
    cr_assert_eq(memcmp(club.logo.data, "\0\1\2", 3), 0);
    cr_assert_eq(((const int32_t *)club.years.items)[1], 2024);
    record_state_fini(type, &club);
}

Test(record_state, what_is_no_such_field_is_refused, .init = open_table, .fini = close_table) {
    struct club club = {0};
    struct club other = {0};
    tr_text outside = {0};
    tr_text *inside = (tr_text *)(void *)((char *)&club.title + 8);
    cr_assert_eq(record_state_set_text(type, &club, &outside, "x", 1), TR_EINVAL);
    cr_assert_eq(record_state_set_text(type, &club, &other.title, "x", 1), TR_EINVAL);
    cr_assert_eq(record_state_set_text(type, &club, inside, "x", 1), TR_EINVAL);
    cr_assert_eq(record_state_set_text(type, &club, &club.undeclared, "x", 1), TR_EINVAL);
    cr_assert_eq(record_state_set_text(type, &club, (tr_text *)(void *)&club.logo, "x", 1),
                 TR_EINVAL);
    cr_assert_eq(record_state_set_text(type, &club, (tr_text *)(void *)&club.years, "x", 1),
                 TR_EINVAL);
    cr_assert_eq(record_state_set_text(type, &club, (tr_text *)(void *)&club.cents, "x", 1),
                 TR_EINVAL);
    cr_assert_eq(record_state_set_list(type, &club, (tr_list *)(void *)&club.title, "x", 1),
                 TR_EINVAL);
    cr_assert_eq(record_state_set_bytes(type, &club, (tr_bytes *)(void *)&club.title, "x", 1),
                 TR_EINVAL);
    cr_assert_eq(record_state_set_text(type, &club, NULL, "x", 1), TR_EINVAL);
    cr_assert_null(club.undeclared.data);
}

Test(record_state, a_length_without_data_is_refused_and_keeps_the_old_value, .init = open_table,
     .fini = close_table) {
    struct club club = {0};
    struct person person = {{NULL, 3}, 1};
    set_text(&club, &club.title, "old");
    cr_assert_eq(record_state_set_text(type, &club, &club.title, NULL, 3), TR_EINVAL);
    cr_assert_eq(record_state_set_text(type, &club, &club.title, "x", (size_t)1 << 32), TR_ETOOBIG);
    cr_assert_eq(record_state_set_list(type, &club, &club.members, &person, 1), TR_EINVAL);
    cr_assert(text_is(club.title, "old"));
    record_state_fini(type, &club);
}

Test(record_state, a_start_value_is_copied_whole, .init = open_table, .fini = close_table) {
    struct person people[1] = {{{"anna", 4}, 30}};
    struct club from = {.cents = 5, .title = {"club", 4}, .members = {people, 1}};
    struct club club;
    memset(&club, 0xee, sizeof(club));
    cr_assert_eq(record_state_init(type, &club, &from), TR_OK);
    cr_assert_eq(club.cents, 5);
    cr_assert_neq(club.title.data, from.title.data);
    cr_assert(text_is(club.title, "club"));
    cr_assert(text_is(((const struct person *)club.members.items)->name, "anna"));
    record_state_fini(type, &club);
}

Test(record_state, a_state_starts_as_all_zero_without_a_value_or_with_a_bad_one, .init = open_table,
     .fini = close_table) {
    struct club zero = {0};
    struct club club;
    memset(&club, 0xee, sizeof(club));
    cr_assert_eq(record_state_init(type, &club, NULL), TR_OK);
    cr_assert_eq(memcmp(&club, &zero, sizeof(club)), 0);
    struct club bad = {.title = {"fine", 4}, .board = {{{0}, 1}, {{NULL, 9}, 1}}};
    cr_assert_eq(record_state_init(type, &club, &bad), TR_EINVAL);
    cr_assert_eq(memcmp(&club, &zero, sizeof(club)), 0);
}

Test(record_state, random_states_survive_being_copied, .init = open_table, .fini = close_table) {
    struct arena arena = {0};
    random_seed(&arena.random, 9);
    for (int i = 0; i < 300; i++) {
        const record_type *random = NULL;
        record_table_intern(table, random_record(&arena, 3), &random, NULL);
        const void *body = random_body(&arena, random);
        void *state = mem_alloc(random->bytes);
        cr_assert_eq(record_state_init(random, state, body), TR_OK);
        cr_assert(bodies_equal(random, body, random, state), "round %d", i);
        record_state_fini(random, state);
        mem_free(state);
    }
    arena_free(&arena);
}
