/*
 * snapshot_json_test.c - the keys that users' scripts rely on, and sums.
 */
#include "node/snapshot_json.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "node/snapshot_sample_test.h"

TestSuite(snapshot_json, .timeout = 30);

static const char *const directories[] = {"/s", NULL};

static struct sample sample;
static struct manifest *manifest;

static void take(bool rich) {
    sample_init(&sample, NULL, "/s");
    sample.rich = rich;
    cr_assert(sample_take(&sample, "s1-n1", 0x20000));
    cr_assert_eq(snapshot_store_load(&sample.files, directories, "s1-n1", &manifest, NULL), TR_OK);
}

static void give_back(void) {
    manifest_free(manifest);
    sample_fini(&sample);
}

/* Compares with JSON written with single quotes. */
static void assert_json(json_t *json, const char *expected) {
    char text[4096];
    snprintf(text, sizeof text, "%s", expected);
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '\'') *at = '"';
    }
    json_t *other = json_loads(text, JSON_DECODE_ANY, NULL);
    cr_assert_not_null(other, "%s", text);
    char *dump = json_dumps(json, JSON_SORT_KEYS | JSON_ENCODE_ANY);
    cr_assert(json_equal(json, other), "%s", dump);
    free(dump);
    json_decref(other);
    json_decref(json);
}

Test(snapshot_json, a_summary_has_the_totals_and_the_counters_of_every_link) {
    take(false);
    json_t *summary = snapshot_json_summary(manifest);
    cr_assert_eq(json_object_del(summary, "parts"), 0);
    cr_assert_eq(json_object_del(summary, "bytes"), 0);
    assert_json(summary,
                "{'id': 's1-n1', 'epoch': 131072, 'consistent': true, 'nodes': 2, 'actors': 4,"
                " 'in_flight': 4, 'duration_ms': 12, 'initiator': 'n1', 'cluster': 'troupe',"
                " 'time': '2023-11-14T22:13:20.012Z', 'links': ["
                "{'from': 'n1', 'to': 'n2', 'sent': 5, 'received': 4, 'recorded': 1},"
                "{'from': 'n2', 'to': 'n1', 'sent': 5, 'received': 4, 'recorded': 1}]}");
    give_back();
}

Test(snapshot_json, a_list_has_an_entry_for_each_and_an_error_for_the_damaged) {
    take(false);
    cr_assert(sample_take(&sample, "s2-n1", 0x30000));
    size_t bytes;
    storage_memory_peek(sample.memory, "/s/s1-n1/manifest", &bytes)[7] ^= 1;
    snapshot_list list;
    cr_assert_eq(snapshot_store_list(&sample.files, directories, &list, NULL), TR_OK);
    json_t *array = snapshot_json_list(&list);
    cr_assert_eq(json_array_size(array), 2);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(array, 0), "id")), "s2-n1");
    json_t *error = json_object_get(json_array_get(array, 1), "error");
    cr_assert_str_eq(json_string_value(json_object_get(error, "code")), "TR_EDATA");
    json_decref(array);
    snapshot_list_fini(&list);
    give_back();
}

static json_t *contents(const snapshot_json_options *options) {
    json_t *json = NULL;
    tr_error error = {0};
    cr_assert_eq(
        snapshot_json_contents(&sample.files, directories, manifest, options, &json, &error), TR_OK,
        "%s", error.message);
    return json;
}

Test(snapshot_json, contents_show_states_and_bodies_by_field_name) {
    take(false);
    assert_json(
        contents(NULL),
        "{'actors': ["
        "{'pid': 'n1/1.1', 'name': 'acct-1', 'node': 'n1', 'behavior': 'account', 'timers': 0,"
        " 'asks': 0, 'state': {'cents': 1001, 'transfers': 1, 'owner': 'bo'}},"
        "{'pid': 'n1/2.1', 'name': null, 'node': 'n1', 'behavior': 'account', 'timers': 0,"
        " 'asks': 0, 'state': {'cents': 1002, 'transfers': 2, 'owner': 'bo'}},"
        "{'pid': 'n2:1/1.1', 'name': 'acct-2', 'node': 'n2', 'behavior': 'account', 'timers': 0,"
        " 'asks': 0, 'state': {'cents': 2001, 'transfers': 1, 'owner': 'bo'}},"
        "{'pid': 'n2:1/2.1', 'name': null, 'node': 'n2', 'behavior': 'account', 'timers': 0,"
        " 'asks': 0, 'state': {'cents': 2002, 'transfers': 2, 'owner': 'bo'}}],"
        "'messages': ["
        "{'to': 'n1/99.1', 'from': 'n1/1.1', 'node': 'n1', 'record': 'sample_deposit',"
        " 'body': {'cents': 101}, 'link': null, 'reason': 'no such actor', 'trace_id': null},"
        "{'to': 'n1/1.1', 'from': 'n2:1/1.1', 'node': 'n1', 'record': 'sample_deposit',"
        " 'body': {'cents': 102}, 'link': 'n2', 'reason': null, 'trace_id': null},"
        "{'to': 'n2:1/1.1', 'from': 'n1/1.1', 'node': 'n2', 'record': 'sample_deposit',"
        " 'body': {'cents': 201}, 'link': 'n1', 'reason': null, 'trace_id': null},"
        "{'to': 'n2:1/99.1', 'from': 'n2:1/1.1', 'node': 'n2', 'record': 'sample_deposit',"
        " 'body': {'cents': 202}, 'link': null, 'reason': 'no such actor', 'trace_id': null}]}");
    give_back();
}

Test(snapshot_json, variable_fields_nested_records_and_pids_are_shown) {
    take(true);
    json_t *all = contents(&(snapshot_json_options){.node = "n1"});
    json_t *tree = json_incref(json_array_get(json_object_get(all, "actors"), 1));
    json_t *message = json_array_get(json_object_get(all, "messages"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(message, "trace_id")),
                     "abababababababababababababababab");
    cr_assert_eq(json_array_size(json_object_get(all, "actors")), 3);
    json_decref(all);
    assert_json(tree,
                "{'pid': 'n1/9.1', 'name': null, 'node': 'n1', 'behavior': 'tree', 'timers': 1,"
                " 'asks': 2, 'state': {'leaf': {'weight': -7}, 'share': 0.5, 'note': 'h\\u00e9',"
                " 'numbers': ['18446744073709551615', '18446744073709551615', 5],"
                " 'friend': 'n2:1/1.1'}}");
    give_back();
}

Test(snapshot_json, contents_can_be_cut_short_and_say_so) {
    take(false);
    json_t *some = contents(&(snapshot_json_options){.items_max = 1});
    cr_assert_eq(json_array_size(json_object_get(some, "actors")), 1);
    cr_assert_eq(json_array_size(json_object_get(some, "messages")), 1);
    cr_assert(json_is_true(json_object_get(some, "truncated")));
    json_decref(some);
    give_back();
}

Test(snapshot_json, an_unknown_node_and_a_damaged_part_are_refused) {
    take(false);
    json_t *json = NULL;
    tr_error error = {0};
    snapshot_json_options options = {.node = "n9"};
    cr_assert_eq(
        snapshot_json_contents(&sample.files, directories, manifest, &options, &json, &error),
        TR_ENOENT);
    cr_assert(strstr(error.message, "n9") != NULL);
    size_t bytes;
    storage_memory_peek(sample.memory, "/s/s1-n1/n2.part", &bytes)[100] ^= 1;
    cr_assert_eq(snapshot_json_contents(&sample.files, directories, manifest, NULL, &json, &error),
                 TR_EDATA);
    cr_assert_null(json);
    give_back();
}

/* ---- sums ------------------------------------------------------------------------------------ */

static json_t *sum_of(const char *const *terms, size_t count) {
    snapshot_sum sum;
    tr_error error = {0};
    cr_assert_eq(
        snapshot_sum_terms(&sample.files, directories, manifest, terms, count, &sum, &error), TR_OK,
        "%s", error.message);
    return snapshot_json_sum(&sum);
}

/* The bank's invariant: what the accounts hold and what is on its way. */
Test(snapshot_json, a_sum_adds_states_and_messages_in_flight) {
    take(false);
    const char *terms[] = {"sample_account.cents", "sample_deposit.cents"};
    assert_json(sum_of(terms, 2), "{'total': 6612, 'actors': 6006, 'in_flight': 606}");
    assert_json(sum_of(terms, 1), "{'total': 6006, 'actors': 6006, 'in_flight': 0}");
    assert_json(sum_of(terms + 1, 1), "{'total': 606, 'actors': 0, 'in_flight': 606}");
    give_back();
}

/* A record of which nothing is there at the cut is zero, not unknown. */
Test(snapshot_json, a_record_that_nobody_holds_sums_to_zero) {
    take(false);
    const char *terms[] = {"sample_leaf.weight"};
    assert_json(sum_of(terms, 1), "{'total': 0, 'actors': 0, 'in_flight': 0}");
    give_back();
}

Test(snapshot_json, sums_go_into_nested_records_lists_floats_and_beyond_64_bits) {
    take(true);
    const char *nested[] = {"sample_tree.leaf.weight"};
    const char *list[] = {"sample_tree.numbers"};
    const char *real[] = {"sample_tree.share", "sample_tree.leaf.weight"};
    assert_json(sum_of(nested, 1), "{'total': -7, 'actors': -7, 'in_flight': 0}");
    assert_json(sum_of(list, 1),
                "{'total': '36893488147419103235',"
                " 'actors': '36893488147419103235', 'in_flight': 0}");
    assert_json(sum_of(real, 2), "{'total': -6.5, 'actors': -6.5, 'in_flight': 0}");
    give_back();
}

Test(snapshot_json, terms_that_name_nothing_are_refused_with_what_there_is) {
    const struct {
        const char *term;
        tr_status status;
        const char *words;
    } cases[] = {
        {"account.cents", TR_ENOENT,
         "there are: sample_account, sample_deposit, sample_leaf, sample_tree"},
        {"sample_account.cent", TR_EDATA, "there are: cents, transfers, owner"},
        {"sample_tree.leaf.x", TR_EDATA, "there are: weight"},
        {"sample_account.owner", TR_EINVAL, "owner is no number"},
        {"sample_tree.leaf", TR_EINVAL, "leaf is no number"},
        {"sample_account.cents.x", TR_EINVAL, "cents is no number"},
        {"sample_account", TR_EINVAL, "RECORD.FIELD"},
        {"sample_account.", TR_EINVAL, "RECORD.FIELD"},
        {".cents", TR_EINVAL, "RECORD.FIELD"},
        {"", TR_EINVAL, "RECORD.FIELD"},
        {"a.b.c.d.e.f.g.h.i.j.k", TR_EINVAL, "RECORD.FIELD"},
    };
    take(true);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snapshot_sum sum;
        tr_error error = {0};
        cr_assert_eq(snapshot_sum_terms(&sample.files, directories, manifest, &cases[i].term, 1,
                                        &sum, &error),
                     cases[i].status, "%s: %s", cases[i].term, error.message);
        cr_assert(strstr(error.message, cases[i].words) != NULL, "%s", error.message);
    }
    give_back();
}
