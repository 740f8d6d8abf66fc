#include "cluster-tests/network.h"

#include <stdio.h>
#include <string.h>

#include "node/base/container.h"
#include "node/base/error.h"
#include "node/base/memory.h"

/* One frame, or (bytes NULL) the news that a connection has come up. */
struct frame {
    struct frame *next;
    uint64_t due_ns;
    uint64_t connection;
    uint32_t peer; /* of the news */
    size_t bytes;
    uint8_t data[];
};

/* What is on its way from one machine to another, by time of arrival. */
struct wire {
    struct frame *first;
    bool blocked;
};

/* One node's connection to a peer. */
struct connection {
    uint64_t id;
    unsigned to;
    uint64_t last_ns; /* arrival of its newest frame */
};

struct station {
    bool open;
    struct driver_events events;
    map_u64 connections; /* struct connection by peer */
    struct driver_counters counters;
};

struct network {
    struct sim *sim;
    uint64_t last_connection;
    struct wire wires[MACHINES_MAX][MACHINES_MAX];
    struct wire news[MACHINES_MAX]; /* connections that have come up, for their owner */
    struct station stations[MACHINES_MAX];
};

struct network *network_new(struct sim *sim) {
    struct network *network = mem_zalloc(1, sizeof *network);
    network->sim = sim;
    return network;
}

static void wire_clear(struct wire *wire) {
    while (wire->first != NULL) {
        struct frame *frame = wire->first;
        wire->first = frame->next;
        mem_free(frame);
    }
}

void network_free(struct network *network) {
    for (unsigned i = 0; i < MACHINES_MAX; i++) {
        wire_clear(&network->news[i]);
        for (unsigned j = 0; j < MACHINES_MAX; j++) wire_clear(&network->wires[i][j]);
    }
    mem_free(network);
}

static void wire_insert(struct wire *wire, struct frame *frame) {
    struct frame **place = &wire->first;
    while (*place != NULL && (*place)->due_ns <= frame->due_ns) place = &(*place)->next;
    frame->next = *place;
    *place = frame;
}

/* Loses frames of one connection (0: of all) from a drawn one on. */
static void wire_lose(struct sim *sim, struct wire *wire, uint64_t connection) {
    unsigned count = 0, index = 0;
    for (struct frame *frame = wire->first; frame != NULL; frame = frame->next)
        if (connection == 0 || frame->connection == connection) count++;
    unsigned kept = (unsigned)sim_below(sim, count + 1);
    for (struct frame **place = &wire->first; *place != NULL;) {
        struct frame *frame = *place;
        if ((connection != 0 && frame->connection != connection) || index++ < kept) {
            place = &frame->next;
            continue;
        }
        *place = frame->next;
        mem_free(frame);
    }
}

/* ---- the driver ------------------------------------------------------------------------------ */

static struct station *station_of(struct machine *machine) {
    return &machine->sim->network->stations[machine->index];
}

/* The machine with that endpoint, or MACHINES_MAX. */
static unsigned machine_at(const struct sim *sim, const char *endpoint) {
    unsigned index = 0;
    while (index < sim->machine_count && strcmp(sim->machines[index].endpoint, endpoint) != 0)
        index++;
    return index < sim->machine_count ? index : MACHINES_MAX;
}

static bool is_listening(const struct network *network, unsigned from, unsigned to) {
    return to < MACHINES_MAX && network->stations[to].open && !network->wires[from][to].blocked;
}

static uint64_t draw_delay(struct sim *sim) {
    return sim_between(sim, sim->profile.delay_min_ns, sim->profile.delay_max_ns);
}

static void tell_ready(struct network *network, unsigned machine, uint32_t peer) {
    struct frame *news = mem_zalloc(1, sizeof *news);
    news->peer = peer;
    news->due_ns = network->sim->now_ns + draw_delay(network->sim);
    wire_insert(&network->news[machine], news);
}

static tr_status driver_op_connect(void *context, uint32_t peer, const char *endpoint,
                                   const uint8_t *server_key, tr_error *error) {
    (void)server_key;
    struct machine *machine = context;
    struct network *network = machine->sim->network;
    struct station *station = station_of(machine);
    struct connection *made = map_u64_find(&station->connections, peer);
    if (made == NULL) {
        made = mem_zalloc(1, sizeof *made);
        map_u64_put(&station->connections, peer, made);
    } else if (made->to < MACHINES_MAX) {
        wire_lose(machine->sim, &network->wires[machine->index][made->to], made->id);
    }
    *made = (struct connection){.id = ++network->last_connection,
                                .to = machine_at(machine->sim, endpoint)};
    if (made->to == MACHINES_MAX)
        return error_set(error, TR_EINVAL, NULL, "%s is nowhere", endpoint);
    if (is_listening(network, machine->index, made->to)) tell_ready(network, machine->index, peer);
    return TR_OK;
}

static void driver_op_disconnect(void *context, uint32_t peer) {
    struct machine *machine = context;
    struct connection *gone = map_u64_remove(&station_of(machine)->connections, peer);
    if (gone != NULL && gone->to < MACHINES_MAX)
        wire_lose(machine->sim, &machine->sim->network->wires[machine->index][gone->to], gone->id);
    mem_free(gone);
}

static tr_status driver_op_send(void *context, uint32_t peer, const uint8_t *bytes, size_t size) {
    struct machine *machine = context;
    struct sim *sim = machine->sim;
    struct network *network = sim->network;
    struct connection *connection = map_u64_find(&station_of(machine)->connections, peer);
    if (connection == NULL || connection->to == MACHINES_MAX) return TR_EUNREACHABLE;
    if (!network->stations[connection->to].open) return TR_EUNREACHABLE;
    struct frame *frame = mem_alloc(sizeof *frame + size);
    *frame = (struct frame){.connection = connection->id, .bytes = size};
    memcpy(frame->data, bytes, size);
    frame->due_ns = sim->now_ns + draw_delay(sim);
    if (frame->due_ns < connection->last_ns) frame->due_ns = connection->last_ns;
    connection->last_ns = frame->due_ns;
    wire_insert(&network->wires[machine->index][connection->to], frame);
    return TR_OK;
}

static tr_status driver_op_reply(void *context, const uint8_t *client, size_t client_bytes,
                                 const uint8_t *bytes, size_t size) {
    (void)context, (void)client, (void)client_bytes, (void)bytes, (void)size;
    return TR_EUNREACHABLE;
}

static bool driver_op_wait(void *context, uint64_t deadline_ns) {
    (void)context, (void)deadline_ns;
    return false;
}

static void driver_op_wake(void *context) {
    struct machine *machine = context;
    machine->core_woken = true;
}

static const char *driver_op_endpoint(void *context) {
    struct machine *machine = context;
    return machine->endpoint;
}

static const char *driver_op_control_endpoint(void *context) {
    (void)context;
    return "";
}

static void driver_op_counters(void *context, struct driver_counters *counters_out) {
    struct machine *machine = context;
    *counters_out = station_of(machine)->counters;
}

static void driver_op_close(void *context) {
    struct machine *machine = context;
    struct station *station = station_of(machine);
    size_t cursor = 0;
    for (struct connection *each;
         (each = map_u64_next(&station->connections, &cursor, NULL)) != NULL;)
        mem_free(each);
    map_u64_fini(&station->connections);
    station->open = false;
}

/* Those who have a connection to this machine learn that it is there again. */
static void tell_others(struct network *network, unsigned from, unsigned to) {
    struct station *station = &network->stations[from];
    size_t cursor = 0;
    uint64_t peer;
    for (struct connection *each;
         (each = map_u64_next(&station->connections, &cursor, &peer)) != NULL;)
        if (each->to == to) tell_ready(network, from, (uint32_t)peer);
}

tr_status network_open_driver(void *context, const struct driver_events *events,
                              struct driver *driver_out, tr_error *error) {
    (void)error;
    static const struct driver_ops ops = {
        .connect = driver_op_connect,
        .disconnect = driver_op_disconnect,
        .send = driver_op_send,
        .control_reply = driver_op_reply,
        .wait = driver_op_wait,
        .wake = driver_op_wake,
        .endpoint = driver_op_endpoint,
        .control_endpoint = driver_op_control_endpoint,
        .counters = driver_op_counters,
        .close = driver_op_close,
    };
    struct machine *machine = context;
    struct station *station = station_of(machine);
    *station = (struct station){.open = true, .events = *events};
    *driver_out = (struct driver){&ops, machine};
    for (unsigned other = 0; other < machine->sim->machine_count; other++)
        if (other != machine->index) tell_others(machine->sim->network, other, machine->index);
    return TR_OK;
}

/* ---- faults ---------------------------------------------------------------------------------- */

void network_drop_machine(struct network *network, unsigned machine) {
    wire_clear(&network->news[machine]);
    for (unsigned other = 0; other < MACHINES_MAX; other++) {
        wire_clear(&network->wires[other][machine]);
        wire_lose(network->sim, &network->wires[machine][other], 0);
    }
}

static void reset_direction(struct network *network, unsigned from, unsigned to) {
    struct station *station = &network->stations[from];
    size_t cursor = 0;
    uint64_t peer;
    for (struct connection *each;
         (each = map_u64_next(&station->connections, &cursor, &peer)) != NULL;) {
        if (each->to != to) continue;
        wire_lose(network->sim, &network->wires[from][to], each->id);
        *each = (struct connection){.id = ++network->last_connection, .to = to};
        if (is_listening(network, from, to) && sim_one_in(network->sim, 2))
            tell_ready(network, from, (uint32_t)peer);
    }
}

void network_reset(struct network *network, unsigned a, unsigned b) {
    reset_direction(network, a, b);
    reset_direction(network, b, a);
}

void network_block(struct network *network, unsigned from, unsigned to, bool blocked) {
    struct wire *wire = &network->wires[from][to];
    if (wire->blocked == blocked) return;
    wire->blocked = blocked;
    if (!blocked) tell_others(network, from, to);
}

bool network_is_blocked(const struct network *network, unsigned from, unsigned to) {
    return network->wires[from][to].blocked;
}

/* ---- deliveries ------------------------------------------------------------------------------ */

static bool is_due(const struct network *network, const struct wire *wire) {
    return wire->first != NULL && !wire->blocked && wire->first->due_ns <= network->sim->now_ns;
}

unsigned network_ready(const struct network *network, unsigned machine) {
    if (!network->stations[machine].open) return 0;
    unsigned count = is_due(network, &network->news[machine]) ? 1 : 0;
    for (unsigned from = 0; from < network->sim->machine_count; from++)
        if (is_due(network, &network->wires[from][machine])) count++;
    return count;
}

static struct wire *nth_due(struct network *network, unsigned machine, unsigned choice) {
    if (is_due(network, &network->news[machine]) && choice-- == 0) return &network->news[machine];
    for (unsigned from = 0; from < network->sim->machine_count; from++)
        if (is_due(network, &network->wires[from][machine]) && choice-- == 0)
            return &network->wires[from][machine];
    return NULL;
}

void network_deliver(struct network *network, unsigned machine, unsigned choice) {
    struct wire *wire = nth_due(network, machine, choice);
    if (wire == NULL) return;
    struct frame *frame = wire->first;
    wire->first = frame->next;
    struct station *station = &network->stations[machine];
    if (wire == &network->news[machine]) {
        if (station->events.ready != NULL)
            station->events.ready(station->events.context, frame->peer);
    } else {
        uint8_t *exact =
            mem_alloc(frame->bytes); /* so that a sanitizer sees what is read past its end */
        memcpy(exact, frame->data, frame->bytes);
        station->events.frame(station->events.context, "", exact, frame->bytes);
        mem_free(exact);
    }
    mem_free(frame);
}

uint64_t network_next_ns(const struct network *network) {
    uint64_t next = UINT64_MAX;
    for (unsigned to = 0; to < network->sim->machine_count; to++) {
        const struct frame *news = network->news[to].first;
        if (news != NULL && news->due_ns < next) next = news->due_ns;
        for (unsigned from = 0; from < network->sim->machine_count; from++) {
            const struct wire *wire = &network->wires[from][to];
            if (wire->first != NULL && !wire->blocked && wire->first->due_ns < next)
                next = wire->first->due_ns;
        }
    }
    return next;
}

bool network_is_empty(const struct network *network) {
    for (unsigned to = 0; to < MACHINES_MAX; to++)
        for (unsigned from = 0; from < MACHINES_MAX; from++)
            if (network->wires[from][to].first != NULL) return false;
    return true;
}
