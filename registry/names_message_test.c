#include "registry/names_message.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(names_message, .timeout = 30);

static void put_name_message(struct buffer *out, enum names_kind kind) {
    struct names_message message = {.kind = kind,
                                    .incarnation = 20,
                                    .session = 3,
                                    .lamport = 400,
                                    .token = 5,
                                    .name = "bank",
                                    .pid = {1, 2, 3},
                                    .age = 399,
                                    .winner = {4, 5, 6},
                                    .winner_node = "n4",
                                    .winner_incarnation = 7,
                                    .last = true,
                                    .count = 1};
    names_message_put(out, &message);
    if (kind == NAMES_SYNC) names_message_put_entry(out, "shop", (tr_pid){9, 9, 9}, 11, 12, true);
}

Test(names_message, each_kind_is_read_back) {
    for (int kind = NAMES_HELLO; kind <= NAMES_LOST; kind++) {
        struct buffer bytes;
        buffer_init(&bytes);
        put_name_message(&bytes, (enum names_kind)kind);
        struct names_message message;
        cr_assert(names_message_decode(bytes.data, bytes.bytes, "n2", &message, NULL) == TR_OK);
        cr_assert((int)message.kind == kind && message.session == 3 && message.lamport == 400);
        if (kind == NAMES_PUT) cr_assert(message.age == 399 && message.pid.generation == 3);
        if (kind == NAMES_LOST) {
            cr_assert(message.winner.slot == 5 && message.winner_incarnation == 7);
        }
        if (kind == NAMES_SYNC) {
            struct names_sync_entry entry;
            names_message_next(&message, &entry);
            cr_assert_str_eq(entry.name, "shop");
            cr_assert(entry.age == 11 && entry.token == 12 && entry.settled);
        }
        buffer_fini(&bytes);
    }
}

Test(names_message, damaged_messages_are_refused_or_whole) {
    for (int kind = NAMES_HELLO; kind <= NAMES_LOST; kind++) {
        struct buffer bytes;
        struct names_message message;
        buffer_init(&bytes);
        put_name_message(&bytes, (enum names_kind)kind);
        for (size_t cut = 0; cut < bytes.bytes; cut++) {
            cr_assert(names_message_decode(bytes.data, cut, "n2", &message, NULL) == TR_EDATA);
        }
        for (size_t at = 0; at < bytes.bytes; at++) {
            uint8_t was = bytes.data[at];
            for (int value = 0; value < 256; value++) {
                bytes.data[at] = (uint8_t)value;
                names_message_decode(bytes.data, bytes.bytes, "n2", &message, NULL);
            }
            bytes.data[at] = was;
        }
        buffer_fini(&bytes);
    }
}

Test(names_message, the_largest_part_of_all_names_stays_below_the_limit) {
    struct buffer bytes;
    buffer_init(&bytes);
    struct names_message message = {.kind = NAMES_SYNC,
                                    .incarnation = UINT64_MAX,
                                    .session = UINT64_MAX,
                                    .lamport = UINT64_C(1) << 62,
                                    .last = true,
                                    .count = NAMES_SYNC_MAX};
    char name[NAMES_NAME_BYTES_MAX + 1];
    memset(name, 'x', NAMES_NAME_BYTES_MAX);
    name[NAMES_NAME_BYTES_MAX] = '\0';
    names_message_put(&bytes, &message);
    for (int i = 0; i < NAMES_SYNC_MAX; i++) {
        tr_pid pid = {UINT64_MAX, UINT32_MAX, UINT32_MAX};
        names_message_put_entry(&bytes, name, pid, UINT64_C(1) << 62, UINT64_MAX, true);
    }
    cr_assert(bytes.bytes <= NAMES_MESSAGE_BYTES_MAX, "%zu", bytes.bytes);
    cr_assert(names_message_decode(bytes.data, bytes.bytes, "n2", &message, NULL) == TR_OK);
    buffer_fini(&bytes);
}
