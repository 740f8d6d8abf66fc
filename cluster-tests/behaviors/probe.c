/*
 * probe.c - behaviors that the tests with real nodes need.
 *
 * A sleeper sleeps in its handler; a relay logs a visit and asks the next one along a path of
 * names; an echo answers with one record of most field kinds as it came; a silent actor never
 * answers; a brittle one fails when told to.
 */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>
#include <troupe.h>

struct unused {
    char unused;
};

/* ---- sleeper --------------------------------------------------------------------------------- */

struct sleeper {
    uint64_t naps;
};
struct nap {
    uint64_t ms;
};
struct peek {
    char unused;
};
struct napped {
    uint64_t naps;
};
TR_RECORD(sleeper, TR_FIELD(sleeper, naps));
TR_RECORD(nap, TR_FIELD(nap, ms));
TR_RECORD(peek);
TR_RECORD(napped, TR_FIELD(napped, naps));

static void answer_naps(tr_actor *self, const struct sleeper *sleeper, const tr_message *message) {
    if (tr_request_of(message).id != 0) tr_reply(self, message, napped, .naps = sleeper->naps);
}

static tr_status on_nap(tr_actor *self, void *state, const tr_message *message) {
    struct sleeper *sleeper = state;
    const struct nap *nap = tr_body(message);
    struct timespec left = {.tv_sec = (time_t)(nap->ms / 1000),
                            .tv_nsec = (long)(nap->ms % 1000) * 1000000};
    tr_log(self, TR_INFO, "nap begins");
    while (nanosleep(&left, &left) != 0) {
    }
    sleeper->naps++;
    answer_naps(self, sleeper, message);
    return TR_OK;
}

static tr_status on_peek(tr_actor *self, void *state, const tr_message *message) {
    answer_naps(self, state, message);
    return TR_OK;
}

static const tr_behavior sleeper_behavior = {
    .name = "sleeper",
    .version = 1,
    .state = &sleeper_record,
    .handlers = TR_HANDLERS({&nap_record, on_nap}, {&peek_record, on_peek}),
};

/* ---- relay ----------------------------------------------------------------------------------- */

struct visit {
    tr_text path; /* names, apart by spaces */
};
struct visited {
    uint32_t hops;
};
struct waiting {
    tr_request request;
};
TR_RECORD(visit, TR_FIELD(visit, path));
TR_RECORD(visited, TR_FIELD(visited, hops));
TR_RECORD(waiting, TR_FIELD(waiting, request));

/* Asks the first of the path with the rest of it; the outcome finds the request in its context. */
static tr_status go_on(tr_actor *self, const struct visit *visit, tr_request request) {
    char name[64];
    const char *space = memchr(visit->path.data, ' ', visit->path.bytes);
    size_t bytes = space == NULL ? visit->path.bytes : (size_t)(space - visit->path.data);
    size_t used = bytes + (space != NULL);
    tr_pid next;
    if (bytes >= sizeof name) return tr_fail(self, "a name of %zu bytes", bytes);
    memcpy(name, visit->path.data, bytes);
    name[bytes] = '\0';
    if (tr_whereis(self, name, &next) != TR_OK) return tr_fail(self, "nobody is named %s", name);
    tr_text rest = {visit->path.data + used, (uint32_t)(visit->path.bytes - used)};
    return tr_ask(self, next, TR_ASK(TR_CONTEXT(waiting, .request = request)), visit, .path = rest);
}

static tr_status on_visit(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct visit *visit = tr_body(message);
    tr_log(self, TR_INFO, "visited on %s", tr_node_name(self));
    if (visit->path.bytes > 0) return go_on(self, visit, tr_request_of(message));
    return tr_reply(self, message, visited, .hops = 1);
}

static tr_status on_visited(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct waiting *waiting = tr_context(message);
    const struct visited *further = tr_body(message);
    if (waiting == NULL) return TR_OK;
    return tr_answer(self, waiting->request, visited, .hops = further->hops + 1);
}

static const tr_behavior relay_behavior = {
    .name = "relay",
    .version = 1,
    .handlers = TR_HANDLERS({&visit_record, on_visit}, {&visited_record, on_visited}),
};

/* ---- echo, silent, brittle ------------------------------------------------------------------- */

struct point {
    int32_t x, y;
};
struct kinds {
    int8_t small;
    uint64_t large;
    double real;
    bool truth;
    char chars[8];
    uint8_t octets[4];
    tr_text text;
    tr_bytes bytes;
    tr_pid pid;
    int32_t three[3];
    tr_list numbers; /* of int64_t */
    struct point point;
    tr_list points; /* of struct point */
};
struct die {
    char unused;
};
TR_RECORD(unused);
TR_RECORD(point, TR_FIELD(point, x), TR_FIELD(point, y));
TR_RECORD(kinds, TR_FIELD(kinds, small), TR_FIELD(kinds, large), TR_FIELD(kinds, real),
          TR_FIELD(kinds, truth), TR_FIELD(kinds, chars), TR_FIELD(kinds, octets),
          TR_FIELD(kinds, text), TR_FIELD(kinds, bytes), TR_FIELD(kinds, pid),
          TR_FIELD(kinds, three), TR_FIELD_LIST(kinds, numbers, int64_t),
          TR_FIELD_RECORD(kinds, point, point), TR_FIELD_LIST_RECORD(kinds, points, point));
TR_RECORD(die);

static tr_status on_kinds(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    if (tr_request_of(message).id == 0) return TR_OK;
    return tr_reply_record(self, message, &kinds_record, tr_body(message));
}

static tr_status on_silence(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    return TR_OK;
}

static tr_status on_die(tr_actor *self, void *state, const tr_message *message) {
    (void)state, (void)message;
    return tr_fail(self, "told to");
}

static const tr_behavior echo_behavior = {
    .name = "echo", .version = 1, .handlers = TR_HANDLERS({&kinds_record, on_kinds})};
static const tr_behavior silent_behavior = {
    .name = "silent", .version = 1, .handlers = TR_HANDLERS({&unused_record, on_silence})};
static const tr_behavior brittle_behavior = {
    .name = "brittle", .version = 1, .handlers = TR_HANDLERS({&die_record, on_die})};

TR_EXPORT(&sleeper_behavior, &relay_behavior, &echo_behavior, &silent_behavior, &brittle_behavior);
