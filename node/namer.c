#include "node/namer.h"

#include <string.h>

#include "node/base/memory.h"
#include "node/directory.h"
#include "node/post.h"
#include "node/services.h"
#include "registry/names.h"

struct name_tick {
    char unused;
};
TR_RECORD(name_tick);
TR_RECORD(name_member, TR_FIELD(name_member, name), TR_FIELD(name_member, incarnation),
          TR_FIELD(name_member, session));
TR_RECORD_DEFINE(name_members, TR_FIELD_LIST_RECORD(name_members, members, name_member));
TR_RECORD_DEFINE(name_release, TR_FIELD(name_release, pid));

struct namer {
    struct names *names;
    tr_actor *self;   /* while a handler runs */
    map_u64 requests; /* tr_request by number */
    uint64_t last_request;
    uint64_t tick_ns; /* when the pending tick is due; UINT64_MAX: none */
};

/* ---- what the machine wants ------------------------------------------------------------------ */

static void send_packet(void *context, const char *node, const uint8_t *bytes, size_t byte_count) {
    struct namer *namer = context;
    struct runtime *runtime = namer->self->runtime;
    uint64_t space;
    if (!runtime->router->space_of(runtime->router_context, node, &space))
        return; /* gone: its names go too */
    struct name_packet packet = {{bytes, (uint32_t)byte_count}};
    const record_type *type;
    if (record_table_intern(runtime->records, &name_packet_record, &type, NULL) != TR_OK) return;
    actor_send(namer->self, (tr_pid){space, SERVICE_NAMER, 1}, MESSAGE_EXEMPT, 0, type, &packet,
               NULL, NULL);
}

static void claimed(void *context, uint64_t number, tr_status status, tr_pid holder) {
    struct namer *namer = context;
    tr_request *request = map_u64_remove(&namer->requests, number);
    if (request == NULL) return;
    struct tr_name_result result = {.status = status, .pid = holder};
    tr_answer_record(namer->self, *request, &tr_name_result_record, &result);
    mem_free(request);
}

static void publish(struct namer *namer, const char *name, tr_pid pid) {
    tr_actor *self = namer->self;
    directory_put(self->runtime->directory, &self->worker->producer.reader, name, pid,
                  actor_colour(self));
}

static void put(void *context, const struct names_entry *entry) {
    publish(context, entry->name, entry->pid);
}

static void dropped(void *context, const char *name, tr_pid pid) {
    (void)pid;
    publish(context, name, (tr_pid){0, 0, 0});
}

static void lost(void *context, const char *name, tr_pid pid, tr_pid winner) {
    struct namer *namer = context;
    struct tr_name_result result = {
        .status = TR_EABORTED, .pid = winner, .name = {name, (uint32_t)strlen(name)}};
    actor_send(namer->self, pid, MESSAGE_EXEMPT, 0, namer->self->runtime->name_result, &result,
               NULL, NULL);
    actor_log(namer->self, NULL, TR_WARN, "name %s is lost to an older claim", name);
}

/* ---- handlers -------------------------------------------------------------------------------- */

static struct namer *namer_of(tr_actor *self) {
    struct namer *namer = self->runtime->namer_state;
    namer->self = self;
    return namer;
}

/* True when the runtime of this node sent it, or the namer itself: nobody else changes members or
 * frees names. */
static bool is_own(const tr_actor *self, const tr_message *message) {
    tr_pid from = tr_sender(message);
    return from.space == self->runtime->space && (from.slot == 0 || from.slot == SERVICE_NAMER);
}

/* Lets the machine do what is due and comes back when it wants. */
static tr_status tick(tr_actor *self, struct namer *namer) {
    uint64_t now_ns = runtime_now_ns(self->runtime);
    uint64_t next_ns = names_tick(namer->names, now_ns);
    if (next_ns >= namer->tick_ns) return TR_OK;
    namer->tick_ns = next_ns;
    uint64_t delay_ms = next_ns <= now_ns ? 0 : (next_ns - now_ns + 999999) / 1000000;
    return tr_send_after(self, delay_ms, name_tick);
}

static tr_status on_tick(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    if (!is_own(self, message)) return TR_OK;
    struct namer *namer = namer_of(self);
    namer->tick_ns = UINT64_MAX;
    return tick(self, namer);
}

static tr_status on_claim(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    if (tr_sender(message).space != self->runtime->space || tr_request_of(message).id == 0)
        return TR_OK;
    struct namer *namer = namer_of(self);
    const struct name_claim *claim = tr_body(message);
    char *name = mem_alloc(claim->name.bytes + 1);
    memcpy(name, claim->name.data == NULL ? "" : claim->name.data, claim->name.bytes);
    name[claim->name.bytes] = '\0';
    tr_request *request = mem_alloc(sizeof *request);
    *request = tr_request_of(message);
    uint64_t number = ++namer->last_request;
    map_u64_put(&namer->requests, number, request);
    tr_status status =
        names_claim(namer->names, name, claim->pid, number, runtime_now_ns(self->runtime));
    if (status != TR_OK) claimed(namer, number, status, (tr_pid){0, 0, 0});
    mem_free(name);
    return tick(self, namer);
}

static tr_status on_packet(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    struct namer *namer = namer_of(self);
    const struct name_packet *packet = tr_body(message);
    struct runtime *runtime = self->runtime;
    if (tr_sender(message).slot != SERVICE_NAMER) return TR_OK; /* no other node's name service */
    const char *node = runtime->router->node_of(runtime->router_context, tr_sender(message).space);
    tr_error error;
    if (node != NULL && names_receive(namer->names, node, packet->bytes.data, packet->bytes.bytes,
                                      runtime_now_ns(runtime), &error) != TR_OK)
        actor_log(self, message, TR_WARN, "name service of %s: %s", node, error.message);
    return tick(self, namer);
}

static tr_status on_members(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    if (!is_own(self, message)) return TR_OK;
    struct namer *namer = namer_of(self);
    const struct name_members *list = tr_body(message);
    const struct name_member *items = list->members.items;
    struct member_life *lives = mem_zalloc(list->members.count + 1, sizeof *lives);
    char(*names)[MEMBER_NAME_BYTES] = mem_zalloc(list->members.count + 1, sizeof *names);
    for (uint32_t i = 0; i < list->members.count; i++) {
        size_t bytes =
            items[i].name.bytes < MEMBER_NAME_BYTES ? items[i].name.bytes : MEMBER_NAME_BYTES - 1;
        memcpy(names[i], items[i].name.data, bytes);
        lives[i] = (struct member_life){names[i], items[i].incarnation, items[i].session};
    }
    names_members(namer->names, lives, list->members.count, runtime_now_ns(self->runtime));
    mem_free(lives);
    mem_free(names);
    return tick(self, namer);
}

static tr_status on_release(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    if (!is_own(self, message)) return TR_OK;
    struct namer *namer = namer_of(self);
    const struct name_release *release = tr_body(message);
    names_drop_all(namer->names, release->pid, runtime_now_ns(self->runtime));
    return tick(self, namer);
}

static tr_status init(tr_actor *self, void *state) {
    (void)state;
    struct namer *namer = mem_zalloc(1, sizeof *namer);
    namer->tick_ns = UINT64_MAX;
    namer->self = self;
    struct names_options options = {.node = self->runtime->node_name,
                                    .incarnation = self->runtime->incarnation};
    struct names_ops ops = {.context = namer,
                            .send = send_packet,
                            .claimed = claimed,
                            .put = put,
                            .dropped = dropped,
                            .lost = lost};
    namer->names = names_new(&options, &ops);
    self->runtime->namer_state = namer;
    return TR_OK;
}

void namer_free(struct namer *namer) {
    if (namer == NULL) return;
    size_t cursor = 0;
    for (tr_request *request; (request = map_u64_next(&namer->requests, &cursor, NULL)) != NULL;)
        mem_free(request);
    map_u64_fini(&namer->requests);
    names_free(namer->names);
    mem_free(namer);
}

const tr_behavior namer_behavior = {
    .name = "troupe.namer",
    .version = 1,
    .init = init,
    .handlers = TR_HANDLERS({&name_claim_record, on_claim}, {&name_packet_record, on_packet},
                            {&name_members_record, on_members}, {&name_release_record, on_release},
                            {&name_tick_record, on_tick}),
};

/* ---- what others tell it --------------------------------------------------------------------- */

static void tell(struct producer *producer, tr_actor *context, const tr_record *record,
                 const void *body) {
    struct runtime *runtime = producer->runtime;
    const record_type *type;
    tr_message *item;
    if (record_table_intern(runtime->records, record, &type, NULL) != TR_OK ||
        message_of(type, body, UINT32_MAX, &item) != TR_OK)
        return;
    item->to = runtime->namer;
    post_system(producer, context, &item);
}

void services_members(struct runtime *runtime, struct producer *producer,
                      const struct member_life *lives, size_t count) {
    (void)runtime;
    struct name_member *items = mem_zalloc(count + 1, sizeof *items);
    for (size_t i = 0; i < count; i++)
        items[i] = (struct name_member){{lives[i].name, (uint32_t)strlen(lives[i].name)},
                                        lives[i].incarnation,
                                        lives[i].session};
    struct name_members list = {{items, (uint32_t)count}};
    tell(producer, NULL, &name_members_record, &list);
    mem_free(items);
}

void post_names_dropped(struct worker *worker, tr_actor *ended) {
    struct name_release release = {actor_pid(ended)};
    tell(&worker->producer, ended, &name_release_record, &release);
}
