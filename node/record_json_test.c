#include "node/record_json.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/record_base64.h"
#include "node/record_random.h"
#include "node/record_table.h"

TestSuite(record_json, .timeout = 30);

struct place {
    char street[8];
    uint16_t number;
};
TR_RECORD(place, TR_FIELD(place, street), TR_FIELD(place, number));

struct sample {
    int8_t i8;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    bool yes;
    uint8_t key[4];
    tr_text text;
    tr_bytes data;
    tr_pid pid;
    tr_request request;
    struct place home;
    int32_t pair[2];
    tr_list places;
};
TR_RECORD(sample, TR_FIELD(sample, i8), TR_FIELD(sample, i64), TR_FIELD(sample, u64),
          TR_FIELD(sample, f32), TR_FIELD(sample, f64), TR_FIELD(sample, yes),
          TR_FIELD(sample, key), TR_FIELD(sample, text), TR_FIELD(sample, data),
          TR_FIELD(sample, pid), TR_FIELD(sample, request), TR_FIELD_RECORD(sample, home, place),
          TR_FIELD(sample, pair), TR_FIELD_LIST_RECORD(sample, places, place));

static record_table *table;
static const record_type *type;

static void open_table(void) {
    table = record_table_new(NULL);
    cr_assert_eq(record_table_intern(table, &sample_record, &type, NULL), TR_OK);
}

static void close_table(void) {
    record_table_free(table);
}

static json_t *parsed(const char *text) {
    json_error_t error;
    json_t *json =
        json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    cr_assert_not_null(json, "%s: %s", text, error.text);
    return json;
}

/* Returns the body of a JSON text, the caller's, or NULL with the error filled. */
static struct sample *from(const char *text, tr_error *error) {
    json_t *json = parsed(text);
    void *block = NULL;
    record_from_json(type, json, NULL, NULL, &block, error);
    json_decref(json);
    return block;
}

static void refused(const char *text, const char *message) {
    tr_error error = {0};
    cr_assert_null(from(text, &error), "%s", text);
    cr_assert_eq(error.status, TR_EDATA);
    cr_assert_str_eq(error.message, message);
}

/* ---- out ---- */

Test(record_json, every_kind_has_its_form, .init = open_table, .fini = close_table) {
    struct place places[1] = {{"Main", 7}};
    struct sample body = {.i8 = -1,
                          .i64 = INT64_MIN,
                          .u64 = UINT64_MAX,
                          .f32 = 1.5f,
                          .f64 = -2.25,
                          .yes = true,
                          .key = {0xde, 0xad, 0xbe, 0xef},
                          .text = {"caf\xc3\xa9", 5},
                          .data = {(const uint8_t *)"Ma", 2},
                          .pid = {255, 17, 3},
                          .request = {{0}, 9},
                          .home = {"12345678", 65535},
                          .pair = {1, 2},
                          .places = {places, 1}};
    json_t *json = record_to_json(type, &body, NULL);
    char *text = json_dumps(json, JSON_COMPACT);
    cr_assert_str_eq(
        text,
        "{\"i8\":-1,\"i64\":-9223372036854775808,\"u64\":\"18446744073709551615\",\"f32\":1.5,"
        "\"f64\":-2.25,\"yes\":true,\"key\":\"3q2+7w==\",\"text\":\"caf\xc3\xa9\",\"data\":\"TWE="
        "\",\"pid\":\"00000000000000ff/17.3\",\"request\":{\"from\":\"-\",\"id\":9},\"home\":{"
        "\"street\":\"12345678\",\"number\":65535},\"pair\":[1,2],\"places\":[{\"street\":\"Main\","
        "\"number\":7}]}");
    free(text);
    json_decref(json);
}

Test(record_json, what_json_cannot_hold_is_shown_as_well_as_it_can, .init = open_table,
     .fini = close_table) {
    struct sample body = {.f32 = NAN, .f64 = INFINITY, .text = {"a\xff\xc3z", 4}};
    json_t *json = record_to_json(type, &body, NULL);
    cr_assert(json_is_null(json_object_get(json, "f32")));
    cr_assert(json_is_null(json_object_get(json, "f64")));
    cr_assert_str_eq(json_string_value(json_object_get(json, "text")),
                     "a\xef\xbf\xbd\xef\xbf\xbdz");
    json_decref(json);
}

static void shout(void *context, tr_pid pid, char *out, size_t out_bytes) {
    snprintf(out, out_bytes, "%s%u", (const char *)context, (unsigned)pid.slot);
}

static bool hear(void *context, const char *text, tr_pid *pid_out) {
    size_t bytes = strlen(context);
    if (strncmp(text, context, bytes) != 0) return false;
    *pid_out = (tr_pid){1, (uint32_t)strtoul(text + bytes, NULL, 10), 1};
    return true;
}

Test(record_json, pids_are_written_and_read_by_the_callers_rules, .init = open_table,
     .fini = close_table) {
    char prefix[] = "n2/";
    record_pids pids = {prefix, shout, hear};
    struct sample body = {.pid = {1, 17, 1}, .request = {{1, 18, 1}, 5}};
    json_t *json = record_to_json(type, &body, &pids);
    void *block = NULL;
    cr_assert_str_eq(json_string_value(json_object_get(json, "pid")), "n2/17");
    cr_assert_eq(record_from_json(type, json, &pids, NULL, &block, NULL), TR_OK);
    cr_assert_eq(((struct sample *)block)->pid.slot, 17u);
    cr_assert_eq(((struct sample *)block)->request.from.slot, 18u);
    json_object_set_new(json, "pid", json_string("n3/17"));
    mem_free(block);
    tr_error error = {0};
    cr_assert_eq(record_from_json(type, json, &pids, NULL, &block, &error), TR_EDATA);
    cr_assert_str_eq(error.message, "record sample: field pid: \"n3/17\" is no pid");
    json_decref(json);
}

Test(record_json, a_type_lists_its_fields, .init = open_table, .fini = close_table) {
    json_t *json = record_type_to_json(type);
    char *text = json_dumps(json_array_get(json, 6), JSON_COMPACT);
    cr_assert_str_eq(text, "{\"name\":\"key\",\"kind\":\"octets\",\"count\":4}");
    free(text);
    text = json_dumps(json_array_get(json, 12), JSON_COMPACT);
    cr_assert_str_eq(text, "{\"name\":\"pair\",\"kind\":\"i32\",\"count\":2}");
    free(text);
    text = json_dumps(json_array_get(json, 13), JSON_COMPACT);
    cr_assert_str_eq(text,
                     "{\"name\":\"places\",\"kind\":\"list of record\",\"record\":\"place\","
                     "\"fields\":[{\"name\":\"street\",\"kind\":\"chars\",\"count\":8},{\"name\":"
                     "\"number\",\"kind\":\"u16\"}]}");
    free(text);
    json_decref(json);
}

/* ---- in ---- */

Test(record_json, missing_fields_are_zero, .init = open_table, .fini = close_table) {
    struct sample zero = {0};
    struct sample *body = from("{}", NULL);
    cr_assert_eq(memcmp(body, &zero, sizeof(zero)), 0);
    mem_free(body);
    void *block = NULL;
    cr_assert_eq(record_from_json(type, NULL, NULL, NULL, &block, NULL), TR_OK);
    cr_assert_eq(memcmp(block, &zero, sizeof(zero)), 0);
    mem_free(block);
}

Test(record_json, integers_may_be_decimal_strings, .init = open_table, .fini = close_table) {
    struct sample *body = from(
        "{\"u64\":\"18446744073709551615\",\"i64\":\"-9223372036854775808\",\"i8\":\"-0\"}", NULL);
    cr_assert_eq(body->u64, UINT64_MAX);
    cr_assert_eq(body->i64, INT64_MIN);
    mem_free(body);
    refused("{\"u64\":\"18446744073709551616\"}",
            "record sample: field u64: expected an integer, got \"18446744073709551616\"");
    refused("{\"u64\":\"99999999999999999999\"}",
            "record sample: field u64: expected an integer, got \"99999999999999999999\"");
    refused("{\"i64\":\"-9223372036854775809\"}",
            "record sample: field i64: expected an integer, got \"-9223372036854775809\"");
    refused("{\"i64\":\"9223372036854775808\"}",
            "record sample: field i64: the number is out of the range of i64");
    refused("{\"u64\":\"-1\"}", "record sample: field u64: the number is out of the range of u64");
    refused("{\"u64\":\"\"}", "record sample: field u64: expected an integer, got \"\"");
    refused("{\"u64\":\"1 \"}", "record sample: field u64: expected an integer, got \"1 \"");
    refused("{\"u64\":\"-\"}", "record sample: field u64: expected an integer, got \"-\"");
}

Test(record_json, unknown_fields_are_refused_with_the_nearest, .init = open_table,
     .fini = close_table) {
    tr_error error = {0};
    cr_assert_null(from("{\"home\":{\"stret\":\"x\"}}", &error));
    cr_assert_str_eq(error.message, "record sample: field home: there is no field \"stret\"");
    cr_assert_str_eq(error.hint, "did you mean street?");
    cr_assert_null(from("{\"wednesday\":1}", &error));
    cr_assert_str_eq(error.message, "record sample: there is no field \"wednesday\"");
    cr_assert_str_eq(error.hint, "");
}

Test(record_json, wrong_types_are_refused_by_their_path, .init = open_table, .fini = close_table) {
    refused("[]", "record sample: expected an object, got an array");
    refused("{\"i8\":1.5}",
            "record sample: field i8: expected an integer, got a number with a "
            "fraction");
    refused("{\"i8\":null}", "record sample: field i8: expected an integer, got null");
    refused("{\"f64\":\"1\"}", "record sample: field f64: expected a number, got a string");
    refused("{\"yes\":1}", "record sample: field yes: expected true or false, got an integer");
    refused("{\"text\":true}", "record sample: field text: expected a string, got true");
    refused("{\"home\":1}", "record sample: field home: expected an object, got an integer");
    refused("{\"places\":{}}", "record sample: field places: expected an array, got an object");
    refused("{\"places\":[{},{\"number\":\"x\"}]}",
            "record sample: field places[1].number: expected an integer, got \"x\"");
    refused("{\"pair\":[1,{}]}",
            "record sample: field pair[1]: expected an integer, got an object");
    refused("{\"request\":{\"id\":[]}}",
            "record sample: field request.id: expected an integer, got an array");
    refused("{\"request\":{\"to\":1}}",
            "record sample: field request: a request has from and id, not \"to\"");
}

Test(record_json, values_that_do_not_fit_are_refused, .init = open_table, .fini = close_table) {
    refused("{\"i8\":128}", "record sample: field i8: the number is out of the range of i8");
    refused("{\"i8\":-129}", "record sample: field i8: the number is out of the range of i8");
    refused("{\"u64\":-1}", "record sample: field u64: the number is out of the range of u64");
    refused("{\"f32\":1e39}", "record sample: field f32: the number is out of the range of f32");
    refused("{\"pair\":[1]}", "record sample: field pair: expected an array of 2, got one of 1");
    refused("{\"home\":{\"street\":\"123456789\"}}",
            "record sample: field home.street: a text of 9 bytes where 8 fit");
    refused("{\"home\":{\"street\":\"a\\u0000b\"}}",
            "record sample: field home.street: a text with a zero byte in it");
    refused("{\"key\":\"TWE=\"}", "record sample: field key: expected 4 bytes as base64, got 2");
    refused("{\"data\":\"TWE\"}", "record sample: field data: the string is not base64");
    refused("{\"pid\":\"n1/2.3\"}", "record sample: field pid: \"n1/2.3\" is no pid");
    refused("{\"pid\":\"-\\u0000\"}", "record sample: field pid: \"-\" is no pid");
}

Test(record_json, limits_hold_for_json_too, .init = open_table, .fini = close_table) {
    json_t *json = parsed("{\"places\":[{},{},{}]}");
    void *block = NULL;
    tr_error error = {0};
    record_limits limits = {.block_bytes_max = sizeof(struct sample) + 2 * sizeof(struct place)};
    cr_assert_eq(record_from_json(type, json, NULL, &limits, &block, &error), TR_EDATA);
    limits = (record_limits){.elements_max = 8};
    cr_assert_eq(record_from_json(type, json, NULL, &limits, &block, &error), TR_EDATA);
    limits.elements_max++;
    cr_assert_eq(record_from_json(type, json, NULL, &limits, &block, &error), TR_OK);
    mem_free(block);
    json_decref(json);
}

Test(record_json, random_bodies_survive_json, .init = open_table, .fini = close_table) {
    struct arena arena = {.plain = true};
    random_seed(&arena.random, 10);
    for (int i = 0; i < 300; i++) {
        const record_type *random = NULL;
        record_table_intern(table, random_record(&arena, 3), &random, NULL);
        const void *body = random_body(&arena, random);
        json_t *json = record_to_json(random, body, NULL);
        char *text = json_dumps(json, 0);
        json_t *again = parsed(text);
        void *block = NULL;
        tr_error error = {0};
        cr_assert_eq(record_from_json(random, again, NULL, NULL, &block, &error), TR_OK, "%s: %s",
                     error.message, text);
        cr_assert(bodies_equal(random, body, random, block), "round %d: %s", i, text);
        mem_free(block);
        free(text);
        json_decref(again);
        json_decref(json);
    }
    arena_free(&arena);
}

/* ---- base64 ---- */

/* The examples of RFC 4648, section 10. */
Test(record_json, base64_is_as_the_rfc_has_it) {
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const char *plain = pairs[i][0];
        const char *text = pairs[i][1];
        char out[16] = {0};
        uint8_t back[16] = {0};
        size_t bytes = 99;
        base64_encode((const uint8_t *)plain, strlen(plain), out);
        cr_assert_str_eq(out, text);
        cr_assert_eq(base64_text_bytes(strlen(plain)), strlen(text));
        cr_assert(base64_measure(text, strlen(text), &bytes));
        cr_assert_eq(bytes, strlen(plain));
        base64_decode(text, strlen(text), back);
        cr_assert_eq(memcmp(back, plain, bytes), 0);
    }
}

Test(record_json, what_is_no_base64_is_refused) {
    static const char *const texts[] = {
        "Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Z===", "Zg==Zg==", "Zm9*", "Zm\n9", "=Zg="};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t bytes;
        cr_assert_not(base64_measure(texts[i], strlen(texts[i]), &bytes), "%s", texts[i]);
    }
}
