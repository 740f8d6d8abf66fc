/*
 * core_stress.c - two nodes in one process whose workers take turns at the core.
 *
 * A ball between the nodes makes them look around at both ends, so the core is offered again and
 * again. Meanwhile: handlers that last until another frame has come, turns that last until an actor
 * has run, sends of plain threads, nodes that close in the middle of it. Frames travel by a driver
 * in memory, so that ThreadSanitizer sees all of it.
 */
#include "node/core.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/check.h"
#include "node/base/clock.h"
#include "node/base/condition.h"
#include "node/base/memory.h"
#include "node/node.h"
#include "node/parking.h"

enum { ENDS = 2, TRIPS = 3000, ROUNDS = 10, DEADLINE_MS = 15000 };
static const uint64_t GIVE_UP_NS = 2000000000;

static unsigned passed, failed;

static void expect(bool truth, const char *what) {
    if (truth)
        passed++;
    else
        failed++, fprintf(stderr, "failed: %s\n", what);
}

static void go_on_until(const _Atomic unsigned *counter, unsigned goal,
                        _Atomic unsigned *given_up) {
    uint64_t until = clock_monotonic_ns() + GIVE_UP_NS;
    while (atomic_load(counter) < goal) {
        if (clock_monotonic_ns() >= until) {
            atomic_fetch_add(given_up, 1);
            return;
        }
        sched_yield();
    }
}

/* ---- the driver: two ends, a queue of frames each -------------------------------------------- */

struct frame {
    struct frame *next;
    size_t bytes;
    uint8_t data[];
};

struct end {
    tr_node *node;
    struct environment environment;
    struct driver_events events;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct frame *first, *last;
    bool woken;
    bool open;
    uint32_t connected; /* the peer's number here, 0: none */
    bool announced;
    char endpoint[32];
    _Atomic unsigned taken; /* frames */
    _Atomic bool hold_turn; /* the next turn of a worker goes on until it is let go */
    _Atomic unsigned held;
};

static struct end ends[ENDS];
static _Atomic unsigned prods, given_up;

static struct end *other_of(const struct end *end) {
    return &ends[end == &ends[0]];
}

static tr_status op_connect(void *context, uint32_t peer, const char *endpoint,
                            const uint8_t *server_key, tr_error *error) {
    (void)endpoint, (void)server_key, (void)error;
    struct end *end = context;
    end->connected = peer;
    end->announced = false;
    return TR_OK;
}

static void op_disconnect(void *context, uint32_t peer) {
    struct end *end = context;
    if (end->connected == peer) end->connected = 0;
}

static tr_status op_send(void *context, uint32_t peer, const uint8_t *bytes, size_t size) {
    struct end *end = context, *to = other_of(end);
    if (peer != end->connected) return TR_EUNREACHABLE;
    struct frame *frame = mem_alloc(sizeof *frame + size);
    frame->next = NULL;
    frame->bytes = size;
    memcpy(frame->data, bytes, size);
    pthread_mutex_lock(&to->mutex);
    bool open = to->open;
    if (open) {
        if (to->first == NULL)
            to->first = frame;
        else
            to->last->next = frame;
        to->last = frame;
        pthread_cond_signal(&to->changed);
    }
    pthread_mutex_unlock(&to->mutex);
    if (!open) mem_free(frame);
    return open ? TR_OK : TR_EUNREACHABLE;
}

static tr_status op_reply(void *context, const uint8_t *client, size_t client_bytes,
                          const uint8_t *bytes, size_t size) {
    (void)context, (void)client, (void)client_bytes, (void)bytes, (void)size;
    return TR_EUNREACHABLE;
}

static bool others_sleep(const struct runtime *runtime) {
    const struct parking_counts *counts = (const void *)runtime->parking;
    return atomic_load(&counts->asleep) == runtime->worker_count - 1;
}

/* Holds up a worker's turn, as a large table or a slow log would, once the other workers sleep. */
static void hold_turn(struct end *end) {
    bool of_worker = !pthread_equal(pthread_self(), end->node->core.thread);
    if (!of_worker || !atomic_exchange(&end->hold_turn, false)) return;
    unsigned goal = atomic_load(&prods) + 1;
    uint64_t until = clock_monotonic_ns() + GIVE_UP_NS;
    while (!others_sleep(end->node->runtime) && clock_monotonic_ns() < until) sched_yield();
    atomic_fetch_add(&end->held, 1);
    go_on_until(&prods, goal, &given_up);
}

/* What has come; sleeps for it until the deadline. */
static struct frame *take_frames(struct end *end, uint64_t deadline_ns, bool *woken_out) {
    uint64_t now = clock_monotonic_ns();
    uint64_t wait_ms = deadline_ns <= now ? 0 : (deadline_ns - now) / 1000000 + 1;
    struct timespec limit = condition_deadline(wait_ms < 1000 ? wait_ms : 1000);
    pthread_mutex_lock(&end->mutex);
    while (end->first == NULL && !end->woken && wait_ms > 0 &&
           condition_wait(&end->changed, &end->mutex, &limit)) {
    }
    struct frame *first = end->first;
    end->first = NULL;
    *woken_out = end->woken;
    end->woken = false;
    pthread_mutex_unlock(&end->mutex);
    return first;
}

static bool op_wait(void *context, uint64_t deadline_ns) {
    struct end *end = context;
    bool happened;
    struct frame *first = take_frames(end, deadline_ns, &happened);
    if (end->connected != 0 && !end->announced) {
        end->announced = happened = true;
        end->events.ready(end->events.context, end->connected);
    }
    while (first != NULL) {
        struct frame *frame = first;
        first = frame->next;
        happened = true;
        atomic_fetch_add(&end->taken, 1);
        end->events.frame(end->events.context, "", frame->data, frame->bytes);
        mem_free(frame);
    }
    hold_turn(end);
    return happened;
}

static void op_wake(void *context) {
    struct end *end = context;
    pthread_mutex_lock(&end->mutex);
    end->woken = true;
    pthread_cond_signal(&end->changed);
    pthread_mutex_unlock(&end->mutex);
}

static const char *op_endpoint(void *context) {
    return ((struct end *)context)->endpoint;
}

static void op_counters(void *context, struct driver_counters *counters_out) {
    (void)context;
    *counters_out = (struct driver_counters){0};
}

static void op_close(void *context) {
    struct end *end = context;
    pthread_mutex_lock(&end->mutex);
    end->open = false;
    struct frame *first = end->first;
    end->first = NULL;
    pthread_mutex_unlock(&end->mutex);
    while (first != NULL) {
        struct frame *frame = first;
        first = frame->next;
        mem_free(frame);
    }
}

static tr_status open_driver(void *context, const struct driver_events *events,
                             struct driver *driver_out, tr_error *error) {
    (void)error;
    static const struct driver_ops ops = {.connect = op_connect,
                                          .disconnect = op_disconnect,
                                          .send = op_send,
                                          .control_reply = op_reply,
                                          .wait = op_wait,
                                          .wake = op_wake,
                                          .endpoint = op_endpoint,
                                          .control_endpoint = op_endpoint,
                                          .counters = op_counters,
                                          .close = op_close};
    struct end *end = context;
    end->events = *events;
    end->connected = 0;
    pthread_mutex_lock(&end->mutex);
    end->open = true;
    pthread_mutex_unlock(&end->mutex);
    *driver_out = (struct driver){&ops, end};
    return TR_OK;
}

/* ---- actors ---------------------------------------------------------------------------------- */

struct ball {
    uint64_t left; /* throws; 0 at once: for ever */
};
struct hold {
    uint64_t at; /* which end */
};
struct prod {
    char unused;
};
/* Sends a `prod`, or a `hold` that does nothing, to the other player, and is not over before so
 * many prods have been handled, or `lets` given. */
struct mumble {
    uint64_t prods, lets;
};
struct player {
    tr_pid other;
};
TR_RECORD(ball, TR_FIELD(ball, left));
TR_RECORD(hold, TR_FIELD(hold, at));
TR_RECORD(prod);
TR_RECORD(mumble, TR_FIELD(mumble, prods), TR_FIELD(mumble, lets));
TR_RECORD(player, TR_FIELD(player, other));

static _Atomic unsigned games_over, holds, lets, offers;
enum { NOWHERE = ENDS };

static tr_status on_ball(tr_actor *self, void *state, const tr_message *message) {
    const struct player *player = state;
    const struct ball *ball = tr_body(message);
    if (ball->left == 1) {
        atomic_fetch_add(&games_over, 1);
        return TR_OK;
    }
    tr_pid to = tr_pid_is_none(player->other) ? tr_sender(message) : player->other;
    tr_status status = tr_send(self, to, ball, .left = ball->left == 0 ? 0 : ball->left - 1);
    return status == TR_EUNREACHABLE ? TR_OK : status; /* the other node has closed */
}

/* Lasts until another frame has been taken in. */
static tr_status on_hold(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state;
    const struct hold *hold = tr_body(message);
    if (hold->at == NOWHERE) return TR_OK;
    unsigned goal = atomic_load(&ends[hold->at].taken) + 1;
    atomic_fetch_add(&holds, 1);
    go_on_until(&ends[hold->at].taken, goal, &given_up);
    return TR_OK;
}

static tr_status on_prod(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    atomic_fetch_add(&prods, 1);
    return TR_OK;
}

static tr_status on_mumble(tr_actor *self, void *state, const tr_message *message) {
    const struct player *player = state;
    struct mumble mumble = *(const struct mumble *)tr_body(message);
    bool first = !tr_pid_is_none(player->other);
    if (first && mumble.prods != 0) check(tr_send(self, player->other, hold, NOWHERE) == TR_OK);
    if (atomic_load(&ends[0].node->core.offered) != 0) atomic_fetch_add(&offers, 1);
    atomic_fetch_add(&holds, 1);
    go_on_until(&prods, (unsigned)mumble.prods, &given_up);
    go_on_until(&lets, (unsigned)mumble.lets, &given_up);
    return first && mumble.lets != 0 ? tr_send(self, player->other, prod) : TR_OK;
}

static const tr_behavior player = {
    .name = "player",
    .version = 1,
    .state = &player_record,
    .handlers = TR_HANDLERS({&ball_record, on_ball}, {&hold_record, on_hold},
                            {&prod_record, on_prod}, {&mumble_record, on_mumble})};

/* ---- parts ----------------------------------------------------------------------------------- */

static bool reached(const _Atomic unsigned *counter, unsigned goal) {
    uint64_t until = clock_monotonic_ns() + DEADLINE_MS * 1000000ull;
    while (atomic_load(counter) < goal) {
        if (clock_monotonic_ns() >= until) return false;
        sched_yield();
    }
    return true;
}

/* Until a worker at that end has taken a turn. */
static void await_turn(int at) {
    struct core *core = &ends[at].node->core;
    uint64_t before = atomic_load(&core->turned_ns), until = clock_monotonic_ns() + GIVE_UP_NS;
    while ((atomic_load(&core->turned_ns) == before || atomic_load(&core->offered) == 0) &&
           clock_monotonic_ns() < until)
        sched_yield();
}

/* Two players on the two nodes; returns the pid of the first one's. */
static tr_pid seat_players(tr_port *const ports[ENDS], tr_pid pids_out[ENDS]) {
    struct player none = {{0}};
    check(tr_port_spawn(ports[1], "player", &player_record, TR_SPAWN(.state = &none), DEADLINE_MS,
                        &pids_out[1], NULL) == TR_OK);
    struct player first = {pids_out[1]};
    check(tr_port_spawn(ports[0], "player", &player_record, TR_SPAWN(.state = &first), DEADLINE_MS,
                        &pids_out[0], NULL) == TR_OK);
    return pids_out[0];
}

/* A game that goes on for ever, so that workers at both ends take turns. */
static void begin_endless_game(tr_port *const ports[ENDS], tr_pid pids_out[ENDS]) {
    tr_pid first = seat_players(ports, pids_out);
    check(tr_port_send(ports[0], first, DEADLINE_MS, ball, .left = 0) == TR_OK);
}

static void play(tr_port *const ports[ENDS]) {
    tr_pid pids[ENDS];
    tr_pid first = seat_players(ports, pids);
    uint64_t began_ns = clock_monotonic_ns();
    unsigned over = atomic_load(&games_over);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        check(tr_port_send(ports[0], first, DEADLINE_MS, ball, .left = TRIPS) == TR_OK);
        expect(reached(&games_over, over + i), "no ball is lost between core and workers");
    }
    expect(atomic_load(&ends[0].node->core.turned_ns) > began_ns, "workers take turns");
}

/* Frames are taken in although the one worker, which took turns, is stuck in a handler. */
static void hold_handlers(tr_port *const ports[ENDS]) {
    tr_pid pids[ENDS], others[ENDS];
    begin_endless_game(ports, pids);
    seat_players(ports, others);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int at = (int)(i % ENDS);
        await_turn(at);
        unsigned held = atomic_load(&holds);
        check(tr_port_send(ports[!at], others[at], DEADLINE_MS, hold, .at = (uint64_t)at) == TR_OK);
        expect(reached(&holds, held + 1), "a message comes");
        check(tr_port_send(ports[!at], others[at], DEADLINE_MS, prod) == TR_OK);
        expect(reached(&prods, i + 1), "and the one behind it");
    }
    expect(atomic_load(&given_up) == 0, "the core is taken back from a worker that is stuck");
}

/* Whether another round is due: until the core was left to the worker in some of them. */
static bool goes_on(unsigned round, uint64_t began_ns) {
    if (round <= ROUNDS) return true;
    return atomic_load(&offers) == 0 && clock_monotonic_ns() < began_ns + DEADLINE_MS * 1000000ull;
}

/* What a plain thread sends is not left to a worker that has sent before, and is not done. */
static void send_behind(tr_port *const ports[ENDS]) {
    tr_pid pids[ENDS], others[ENDS];
    begin_endless_game(ports, pids);
    seat_players(ports, others);
    uint64_t began_ns = clock_monotonic_ns();
    for (unsigned i = 1; goes_on(i, began_ns); i++) {
        await_turn(0);
        unsigned held = atomic_load(&holds);
        check(tr_port_send(ports[1], others[0], DEADLINE_MS, mumble, .prods = i) == TR_OK);
        check(reached(&holds, held + 1));
        check(tr_port_send(ports[0], others[1], DEADLINE_MS, prod) == TR_OK);
        check(reached(&prods, i));
    }
    expect(atomic_load(&offers) > 0, "while the core was left to the worker");
    expect(atomic_load(&given_up) == 0, "who sends behind a worker calls the core's thread");
}

/* What a worker has sent is not left lying for other work that it finds. */
static void work_behind(tr_port *const ports[ENDS]) {
    tr_pid pids[ENDS], others[ENDS], local[ENDS];
    begin_endless_game(ports, pids);
    seat_players(ports, others);
    seat_players((tr_port *const[ENDS]){ports[1], ports[0]}, local); /* the second is at end 0 */
    uint64_t began_ns = clock_monotonic_ns();
    for (unsigned i = 1; goes_on(i, began_ns); i++) {
        await_turn(0);
        unsigned held = atomic_load(&holds);
        check(tr_port_send(ports[1], others[0], DEADLINE_MS, mumble, .lets = i) == TR_OK);
        check(reached(&holds, held + 1));
        check(tr_port_send(ports[0], local[1], DEADLINE_MS, mumble, .prods = i) == TR_OK);
        atomic_store(&lets, i);
        check(reached(&prods, i));
    }
    expect(atomic_load(&offers) > 0, "while the core was left to the worker");
    expect(atomic_load(&given_up) == 0,
           "a worker that turns to other work calls the core's thread");
}

static void take_snapshots(tr_port *const ports[ENDS]) {
    tr_pid pids[ENDS];
    begin_endless_game(ports, pids);
    for (unsigned i = 0; i < ROUNDS; i++) {
        await_turn((int)(i % ENDS));
        tr_status status = tr_snapshot(ends[i % ENDS].node, DEADLINE_MS, NULL, NULL);
        expect(status == TR_OK, "a snapshot while workers take turns");
    }
}

/* What was woken meanwhile runs although the worker that looks around is stuck in a turn. */
static void hold_turns(tr_port *const ports[ENDS]) {
    tr_pid pids[ENDS], prodded[ENDS];
    begin_endless_game(ports, pids);
    seat_players(ports, prodded);
    unsigned held[ENDS];
    for (unsigned i = 0; i < ROUNDS; i++) {
        int at = (int)(i % ENDS);
        held[at] = atomic_load(&ends[at].held);
        atomic_store(&ends[at].hold_turn, true);
        expect(reached(&ends[at].held, held[at] + 1), "a worker takes a turn");
        check(tr_port_send(ports[at], prodded[at], DEADLINE_MS, prod) == TR_OK);
    }
    expect(atomic_load(&given_up) == 0, "a long turn keeps nobody from being run");
}

/* ---- life ------------------------------------------------------------------------------------ */

/* `watch_ns`: how long the core's thread stands by at first; 0: as always. */
static void open_end(int index, const char *dir, unsigned workers, uint64_t watch_ns) {
    struct end *end = &ends[index];
    char folder[64], name[8];
    snprintf(folder, sizeof folder, "%s/n%d", dir, index);
    snprintf(name, sizeof name, "n%d", index);
    snprintf(end->endpoint, sizeof end->endpoint, "tcp://127.0.0.1:%d", 1000 + index);
    static struct logger *logger;
    if (logger == NULL) {
        log_options quiet = {.node = "stress", .level_min = TR_ERROR};
        check(log_open(&quiet, &logger, NULL) == TR_OK);
    }
    environment_real(&end->environment, logger);
    const char *const seeds[] = {ends[0].endpoint, NULL};
    tr_node_options options = {.name = name,
                               .dir = folder,
                               .seeds = index == 0 ? NULL : seeds,
                               .security = TR_SECURITY_NONE,
                               .workers = workers};
    struct node_world world = {.environment = &end->environment,
                               .files = storage_system(),
                               .open_driver = open_driver,
                               .context = end,
                               .threads = true};
    check(node_new(&options, &world, logger, &end->node, NULL) == TR_OK);
    check(tr_node_offer(end->node, &player, NULL) == TR_OK);
    if (watch_ns != 0) end->node->core.watch_ns = watch_ns;
    check(tr_node_start(end->node, NULL) == TR_OK);
    check(tr_node_wait_up(end->node, DEADLINE_MS, NULL) == TR_OK);
}

static void with_nodes(unsigned workers, uint64_t watch_ns,
                       void (*part)(tr_port *const ports[ENDS])) {
    char dir[] = "/tmp/troupe-core-XXXXXX";
    check(mkdtemp(dir) != NULL);
    tr_port *ports[ENDS];
    for (int i = 0; i < ENDS; i++) open_end(i, dir, workers, watch_ns);
    for (int i = 0; i < ENDS; i++) check(tr_port_open(ends[i].node, &ports[i]) == TR_OK);
    atomic_store(&prods, 0);
    atomic_store(&lets, 0);
    atomic_store(&offers, 0);
    atomic_store(&given_up, 0);
    part(ports);
    for (int i = 0; i < ENDS; i++) tr_port_close(ports[i]);
    for (int i = 0; i < ENDS; i++) tr_node_close(ends[i].node); /* games go on meanwhile */
    expect(true, "nodes close while workers take turns");
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", dir);
    check(system(command) == 0);
}

int main(void) {
    for (int i = 0; i < ENDS; i++) {
        pthread_mutex_init(&ends[i].mutex, NULL);
        condition_init(&ends[i].changed);
    }
    static const uint64_t long_ns = 3600000000000; /* nobody comes who is not called */
    with_nodes(1, 0, play);
    with_nodes(2, 0, play);
    with_nodes(1, 0, hold_handlers);
    with_nodes(2, 0, hold_turns);
    with_nodes(1, long_ns, send_behind);
    with_nodes(1, long_ns, work_behind);
    with_nodes(2, 0, take_snapshots);
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
