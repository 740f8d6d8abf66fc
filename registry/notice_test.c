#include "registry/notice.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "registry/members.h"

TestSuite(notice, .timeout = 30);

static struct life *some_life(struct lives *lives, int number, size_t text_bytes) {
    struct life_notice notice = {.incarnation = UINT64_MAX,
                                 .space = UINT64_MAX - (uint64_t)number,
                                 .admission = UINT64_C(1) << 40,
                                 .ordinal = 1 << 30,
                                 .state = MEMBER_SUSPECT};
    snprintf(notice.name, sizeof(notice.name), "node-%0*d", (int)text_bytes / 4 - 6, number);
    memset(notice.endpoint, 'e', text_bytes);
    memset(notice.control, 'c', text_bytes);
    memset(notice.public_key, number, sizeof(notice.public_key));
    return lives_add(lives, &notice);
}

static tr_status decode(const struct buffer *bytes, struct notice *notice_out) {
    return notice_decode(bytes->data, bytes->bytes, "n2", notice_out, NULL);
}

/* One message of each kind. */
static void put_each(struct buffer *out, enum notice_kind kind, const struct life *life) {
    switch (kind) {
        case NOTICE_GREET:
            notice_put_greet(out, MEMBER_UP, life);
            break;
        case NOTICE_JOIN:
            notice_put_join(out, 77, 3);
            break;
        case NOTICE_WAIT:
            notice_put_wait(out, "why");
            break;
        case NOTICE_REDIRECT:
            notice_put_redirect(out, "n3", "sim://n3");
            break;
        case NOTICE_REFUSE:
            notice_put_refuse(out, NOTICE_SPACE_TAKEN, "why");
            break;
        case NOTICE_VIEW:
            notice_put_view(out, MEMBER_JOINING, true, 1);
            notice_put_life(out, life);
            break;
        case NOTICE_LEFT:
            notice_put_left(out);
            break;
    }
}

Test(notice, each_kind_is_read_back) {
    struct lives lives;
    lives_init(&lives, 10);
    const struct life *life = some_life(&lives, 1, 200);
    for (int kind = NOTICE_GREET; kind <= NOTICE_LEFT; kind++) {
        struct buffer bytes;
        buffer_init(&bytes);
        put_each(&bytes, (enum notice_kind)kind, life);
        struct notice notice;
        cr_assert(decode(&bytes, &notice) == TR_OK && (int)notice.kind == kind);
        if (kind == NOTICE_JOIN) cr_assert(notice.space == 77 && notice.ordinal == 3);
        if (kind == NOTICE_WAIT) cr_assert_str_eq(notice.text, "why");
        if (kind == NOTICE_REDIRECT) cr_assert_str_eq(notice.endpoint, "sim://n3");
        if (kind == NOTICE_REFUSE) cr_assert(notice.refusal == NOTICE_SPACE_TAKEN);
        if (kind == NOTICE_VIEW || kind == NOTICE_GREET) {
            struct life_notice read, expected;
            cr_assert(notice.life_count == 1);
            notice_next_life(&notice, &read);
            lives_describe(life, &expected);
            cr_assert(memcmp(&read, &expected, sizeof(read)) == 0);
        }
        buffer_fini(&bytes);
    }
    lives_fini(&lives);
}

Test(notice, the_largest_view_stays_below_the_limit) {
    struct lives lives;
    lives_init(&lives, 1000);
    struct buffer bytes;
    buffer_init(&bytes);
    notice_put_view(&bytes, MEMBER_UP, true, NOTICE_LIVES_MAX);
    for (int i = 0; i < NOTICE_LIVES_MAX; i++) {
        notice_put_life(&bytes, some_life(&lives, i, MEMBER_ENDPOINT_BYTES - 1));
    }
    struct notice notice;
    cr_assert(bytes.bytes <= MEMBERS_MESSAGE_BYTES_MAX && decode(&bytes, &notice) == TR_OK);
    buffer_fini(&bytes);
    lives_fini(&lives);
}

/* Every message, cut at every byte and with every byte changed: refused, or read as something
 * else that is whole. */
Test(notice, damaged_messages_are_refused_or_whole) {
    struct lives lives;
    lives_init(&lives, 10);
    const struct life *life = some_life(&lives, 1, 60);
    for (int kind = NOTICE_GREET; kind <= NOTICE_LEFT; kind++) {
        struct buffer bytes;
        struct notice notice;
        buffer_init(&bytes);
        put_each(&bytes, (enum notice_kind)kind, life);
        for (size_t cut = 0; cut < bytes.bytes; cut++) {
            cr_assert(notice_decode(bytes.data, cut, "n2", &notice, NULL) == TR_EDATA);
        }
        for (size_t at = 0; at < bytes.bytes; at++) {
            uint8_t was = bytes.data[at];
            for (int value = 0; value < 256; value++) {
                bytes.data[at] = (uint8_t)value;
                if (decode(&bytes, &notice) != TR_OK) continue;
                struct life_notice read;
                for (uint32_t i = 0; i < notice.life_count; i++) notice_next_life(&notice, &read);
                cr_assert(notice.life_count == 0 || notice.lives.fault == NULL);
            }
            bytes.data[at] = was;
        }
        buffer_append_byte(&bytes, 0);
        cr_assert(decode(&bytes, &notice) == TR_EDATA);
        buffer_fini(&bytes);
    }
    lives_fini(&lives);
}

static bool refused(const char *bytes, size_t byte_count, const char *fault) {
    struct notice notice;
    tr_error error = {0};
    tr_status status = notice_decode((const uint8_t *)bytes, byte_count, "n2", &notice, &error);
    return status == TR_EDATA && strstr(error.message, fault) != NULL;
}

Test(notice, what_makes_no_sense_is_refused_by_name) {
    cr_assert(refused("\x91\x00", 2, "a message without its kind"));
    cr_assert(refused("\x91\x08", 2, "a number too large"));
    cr_assert(refused("\x92\x07\x01", 3, "another number of items than its kind has"));
    cr_assert(refused("\x93\x02\x00\x00", 4, "a newcomer without space"));
    cr_assert(refused("\x93\x01\x02\x90", 4, "a greeting at odds with itself"));
    cr_assert(refused("\x94\x06\x00\xc3\x90", 5, "a view of a node not admitted"));
    cr_assert(refused("\x93\x05\x00\xa0", 4, "a refusal without its kind"));
    cr_assert(
        refused("\x93\x04\xa2"
                "a/"
                "\xa0",
                6, "not a node's name"));
    cr_assert(
        refused("\x93\x04\xa1"
                "a"
                "\xa1 ",
                6, "not an endpoint"));
}

Test(notice, control_characters_in_a_reason_are_replaced) {
    struct notice notice;
    cr_assert(notice_decode((const uint8_t *)"\x92\x03\xa3"
                                             "a\n\x1b",
                            6, "n2", &notice, NULL) == TR_OK);
    cr_assert_str_eq(notice.text, "a??");
}
