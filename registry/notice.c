#include "registry/notice.h"

#include <stdio.h>
#include <string.h>

#include "registry/members.h"

enum { LIFE_ITEMS = 10 };

/* Room for counting on from whatever a peer names. */
static const uint64_t admission_limit = UINT64_C(1) << 48;
static const uint32_t ordinal_limit = UINT32_C(1) << 30;

/* ---- writing ---- */

static void put_head(struct buffer *out, enum notice_kind kind, uint32_t more_items) {
    wire_put_array(out, 1 + more_items);
    wire_put_u64(out, kind);
}

void notice_put_life(struct buffer *out, const struct life *life) {
    struct life_notice notice;
    lives_describe(life, &notice);
    wire_put_array(out, LIFE_ITEMS);
    wire_put_text(out, notice.name);
    wire_put_u64(out, notice.incarnation);
    wire_put_u64(out, notice.ordinal);
    wire_put_u64(out, notice.space);
    wire_put_u64(out, notice.admission);
    wire_put_u64(out, notice.state);
    wire_put_bool(out, notice.replaced);
    wire_put_text(out, notice.endpoint);
    wire_put_text(out, notice.control);
    wire_put_bytes(out, notice.public_key, MEMBER_KEY_BYTES);
}

void notice_put_greet(struct buffer *out, enum member_state state, const struct life *self) {
    put_head(out, NOTICE_GREET, 2);
    wire_put_u64(out, state);
    wire_put_array(out, self == NULL ? 0 : 1);
    if (self != NULL) notice_put_life(out, self);
}

void notice_put_join(struct buffer *out, uint64_t space, uint32_t ordinal) {
    put_head(out, NOTICE_JOIN, 2);
    wire_put_u64(out, space);
    wire_put_u64(out, ordinal);
}

void notice_put_wait(struct buffer *out, const char *text) {
    put_head(out, NOTICE_WAIT, 1);
    wire_put_text(out, text);
}

void notice_put_redirect(struct buffer *out, const char *name, const char *endpoint) {
    put_head(out, NOTICE_REDIRECT, 2);
    wire_put_text(out, name);
    wire_put_text(out, endpoint);
}

void notice_put_refuse(struct buffer *out, enum notice_refusal refusal, const char *text) {
    put_head(out, NOTICE_REFUSE, 2);
    wire_put_u64(out, refusal);
    wire_put_text(out, text);
}

void notice_put_view(struct buffer *out, enum member_state state, bool last, uint32_t life_count) {
    put_head(out, NOTICE_VIEW, 3);
    wire_put_u64(out, state);
    wire_put_bool(out, last);
    wire_put_array(out, life_count);
}

void notice_put_left(struct buffer *out) {
    put_head(out, NOTICE_LEFT, 0);
}

/* ---- reading ---- */

static enum member_state read_state(struct wire_reader *reader) {
    return (enum member_state)wire_u64(reader, MEMBER_LEFT);
}

static void read_name(struct wire_reader *reader, char out[MEMBER_NAME_BYTES]) {
    wire_text(reader, out, MEMBER_NAME_BYTES);
    if (!member_name_valid(out)) wire_fail(reader, "not a node's name");
}

/* Endpoints are printable ASCII without spaces, whatever else they are. */
static void read_endpoint(struct wire_reader *reader, char out[MEMBER_ENDPOINT_BYTES]) {
    wire_text(reader, out, MEMBER_ENDPOINT_BYTES);
    for (const char *at = out; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~') wire_fail(reader, "not an endpoint");
    }
}

/* Control characters could break a log's line or a terminal; what is not ASCII stays as it is. */
static void read_text(struct wire_reader *reader, char out[NOTICE_TEXT_BYTES]) {
    wire_text(reader, out, NOTICE_TEXT_BYTES);
    for (char *at = out; *at != '\0'; at++) {
        if ((uint8_t)*at < ' ' || *at == 0x7f) *at = '?';
    }
}

static void read_life(struct wire_reader *reader, struct life_notice *life_out) {
    memset(life_out, 0, sizeof(*life_out));
    wire_tuple(reader, LIFE_ITEMS);
    read_name(reader, life_out->name);
    life_out->incarnation = wire_u64(reader, UINT64_MAX);
    life_out->ordinal = (uint32_t)wire_u64(reader, ordinal_limit);
    life_out->space = wire_u64(reader, UINT64_MAX);
    life_out->admission = wire_u64(reader, admission_limit);
    life_out->state = read_state(reader);
    life_out->replaced = wire_bool(reader);
    read_endpoint(reader, life_out->endpoint);
    read_endpoint(reader, life_out->control);
    wire_bytes(reader, life_out->public_key, MEMBER_KEY_BYTES);
    if (life_out->incarnation == 0) wire_fail(reader, "a life without incarnation");
    if (life_out->space == 0) wire_fail(reader, "a life without space");
    if (life_out->admission == 0) wire_fail(reader, "a life that was not admitted");
}

static void read_lives(struct wire_reader *reader, struct notice *notice, uint32_t count_max) {
    notice->life_count = wire_array(reader, count_max);
    notice->lives = *reader;
    struct life_notice life;
    for (uint32_t i = 0; i < notice->life_count && reader->fault == NULL; i++) {
        read_life(reader, &life);
    }
}

static void read_join(struct wire_reader *reader, struct notice *notice) {
    notice->space = wire_u64(reader, UINT64_MAX);
    notice->ordinal = (uint32_t)wire_u64(reader, ordinal_limit);
    if (notice->space == 0) wire_fail(reader, "a newcomer without space");
}

static void read_redirect(struct wire_reader *reader, struct notice *notice) {
    read_name(reader, notice->name);
    read_endpoint(reader, notice->endpoint);
}

static void read_refuse(struct wire_reader *reader, struct notice *notice) {
    notice->refusal = (enum notice_refusal)wire_u64(reader, NOTICE_TABLE_FULL);
    if (notice->refusal == 0) wire_fail(reader, "a refusal without its kind");
    read_text(reader, notice->text);
}

static void read_view(struct wire_reader *reader, struct notice *notice) {
    notice->state = read_state(reader);
    notice->last = wire_bool(reader);
    read_lives(reader, notice, NOTICE_LIVES_MAX);
    if (notice->state == MEMBER_UNKNOWN) wire_fail(reader, "a view of a node not admitted");
}

static void read_greet(struct wire_reader *reader, struct notice *notice) {
    notice->state = read_state(reader);
    read_lives(reader, notice, 1);
    if ((notice->state == MEMBER_UNKNOWN) != (notice->life_count == 0)) {
        wire_fail(reader, "a greeting at odds with itself");
    }
}

/* Reads what follows the kind, which says how many items the message has. */
static void read_items(struct wire_reader *reader, uint32_t items, struct notice *notice) {
    static const uint8_t items_of[] = {0, 3, 3, 2, 3, 3, 4, 1};
    notice->kind = (enum notice_kind)wire_u64(reader, NOTICE_LEFT);
    if (notice->kind == 0) wire_fail(reader, "a message without its kind");
    if (reader->fault == NULL && items != items_of[notice->kind]) {
        wire_fail(reader, "another number of items than its kind has");
    }
    if (reader->fault != NULL) return;
    switch (notice->kind) {
        case NOTICE_GREET:
            read_greet(reader, notice);
            break;
        case NOTICE_JOIN:
            read_join(reader, notice);
            break;
        case NOTICE_WAIT:
            read_text(reader, notice->text);
            break;
        case NOTICE_REDIRECT:
            read_redirect(reader, notice);
            break;
        case NOTICE_REFUSE:
            read_refuse(reader, notice);
            break;
        case NOTICE_VIEW:
            read_view(reader, notice);
            break;
        case NOTICE_LEFT:
            break;
    }
}

tr_status notice_decode(const uint8_t *bytes, size_t byte_count, const char *peer,
                        struct notice *notice_out, tr_error *error) {
    struct wire_reader reader;
    struct notice notice = {0};
    wire_open(&reader, bytes, byte_count);
    if (byte_count > MEMBERS_MESSAGE_BYTES_MAX) wire_fail(&reader, "a message too large");
    read_items(&reader, wire_array(&reader, 4), &notice);
    if (!wire_close(&reader)) return wire_error(&reader, error, "a membership message", peer);
    *notice_out = notice;
    return TR_OK;
}

void notice_next_life(struct notice *notice, struct life_notice *life_out) {
    read_life(&notice->lives, life_out);
}
