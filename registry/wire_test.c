#include "registry/wire.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(wire, .timeout = 30);

static struct wire_reader reader_of(const void *bytes, size_t byte_count) {
    struct wire_reader reader;
    wire_open(&reader, bytes, byte_count);
    return reader;
}

/* True when reading the bytes ends with that fault. */
static bool faults(struct wire_reader reader, const char *fault) {
    wire_close(&reader);
    return reader.fault != NULL && strcmp(reader.fault, fault) == 0;
}

Test(wire, everything_written_is_read_back) {
    struct buffer bytes;
    buffer_init(&bytes);
    static const uint64_t numbers[] = {0, 127, 128, 255, 256, 65535, 65536, UINT32_MAX, UINT64_MAX};
    char text[300];
    memset(text, 'x', sizeof(text));
    text[299] = '\0';
    wire_put_array(&bytes, 9 + 6);
    for (int i = 0; i < 9; i++) wire_put_u64(&bytes, numbers[i]);
    wire_put_bool(&bytes, true);
    wire_put_bool(&bytes, false);
    wire_put_text(&bytes, "");
    wire_put_text(&bytes, text);
    wire_put_bytes(&bytes, text, 299);
    wire_put_pid(&bytes, (tr_pid){UINT64_MAX, UINT32_MAX, 7});
    struct wire_reader reader = reader_of(bytes.data, bytes.bytes);
    wire_tuple(&reader, 15);
    for (int i = 0; i < 9; i++) cr_assert(wire_u64(&reader, UINT64_MAX) == numbers[i]);
    cr_assert(wire_bool(&reader) && !wire_bool(&reader));
    char out[300];
    wire_text(&reader, out, sizeof(out));
    cr_assert(out[0] == '\0');
    wire_text(&reader, out, sizeof(out));
    cr_assert(strcmp(out, text) == 0);
    uint8_t blob[299];
    wire_bytes(&reader, blob, sizeof(blob));
    cr_assert(memcmp(blob, text, sizeof(blob)) == 0);
    tr_pid pid = wire_pid(&reader);
    cr_assert(pid.space == UINT64_MAX && pid.slot == UINT32_MAX && pid.generation == 7);
    cr_assert(wire_close(&reader));
    buffer_fini(&bytes);
}

Test(wire, wrong_types_are_faults) {
    struct wire_reader reader = reader_of("\xa1x", 2);
    wire_u64(&reader, UINT64_MAX);
    cr_assert(faults(reader, "not an unsigned number"));
    reader = reader_of("\xff", 1); /* -1 */
    wire_u64(&reader, UINT64_MAX);
    cr_assert(faults(reader, "not an unsigned number"));
    reader = reader_of("\x01", 1);
    wire_bool(&reader);
    cr_assert(faults(reader, "not a truth value"));
    reader = reader_of("\x80", 1);
    wire_array(&reader, 9);
    cr_assert(faults(reader, "not an array"));
    char text[8];
    reader = reader_of("\xc4\x01x", 3);
    wire_text(&reader, text, sizeof(text));
    cr_assert(faults(reader, "not a text"));
    uint8_t blob[1];
    reader = reader_of("\xa1x", 2);
    wire_bytes(&reader, blob, 1);
    cr_assert(faults(reader, "not bytes") || faults(reader, "bytes of another length"));
}

Test(wire, sizes_beyond_the_limit_are_faults) {
    struct wire_reader reader = reader_of("\xdd\xff\xff\xff\xff", 5);
    cr_assert(wire_array(&reader, UINT32_MAX) == 0);
    cr_assert(faults(reader, "an array too long"));
    reader = reader_of("\x93\x01\x01\x01", 4);
    cr_assert(wire_array(&reader, 2) == 0 && faults(reader, "an array too long"));
    reader = reader_of("\x92\x01\x01", 3);
    wire_tuple(&reader, 3);
    cr_assert(faults(reader, "an array of another length"));
    reader = reader_of("\xcd\x01\x00", 3);
    cr_assert(wire_u64(&reader, 255) == 0 && faults(reader, "a number too large"));
    char text[4];
    reader = reader_of("\xa4wxyz", 5);
    wire_text(&reader, text, sizeof(text));
    cr_assert(text[0] == '\0' && faults(reader, "a text too long"));
    reader = reader_of("\xdb\xff\xff\xff\xffx", 6);
    wire_text(&reader, text, sizeof(text));
    cr_assert(faults(reader, "a text too long"));
}

Test(wire, a_zero_byte_in_a_text_is_a_fault) {
    char text[8];
    struct wire_reader reader = reader_of("\xa3x\0y", 4);
    wire_text(&reader, text, sizeof(text));
    cr_assert(text[0] == '\0' && faults(reader, "a text with a zero byte in it"));
}

Test(wire, bytes_missing_or_left_over_are_faults) {
    struct wire_reader reader = reader_of("\xcf\x01", 2);
    cr_assert(wire_u64(&reader, UINT64_MAX) == 0);
    cr_assert(faults(reader, "the message ends too early"));
    reader = reader_of(NULL, 0);
    cr_assert(wire_u64(&reader, UINT64_MAX) == 0);
    cr_assert(faults(reader, "the message ends too early"));
    reader = reader_of("\x01\x02", 2);
    wire_u64(&reader, UINT64_MAX);
    cr_assert(faults(reader, "bytes after the end of the message"));
}

Test(wire, after_a_fault_everything_reads_as_nothing_and_the_first_one_stays) {
    struct wire_reader reader = reader_of("\x01\xc1\x05\xc3", 4);
    wire_u64(&reader, UINT64_MAX);
    wire_u64(&reader, UINT64_MAX);
    size_t at = reader.fault_at;
    cr_assert(wire_u64(&reader, UINT64_MAX) == 0 && wire_array(&reader, 9) == 0);
    cr_assert(wire_pid(&reader).space == 0 && reader.fault_at == at);
    tr_error error;
    cr_assert(wire_error(&reader, &error, "a message", "n2") == TR_EDATA);
    cr_assert(strcmp(error.message, "a message from n2: not an unsigned number at byte 2") == 0);
}
