/*
 * outbox.c - parcels grow with the traffic: a lone message makes a small one, a flood fills large
 * ones.
 *
 * Nobody waits to fill a parcel: the core takes the open one whenever it comes by.
 */
#include "node/outbox.h"

#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"

enum {
    PARCEL_BYTES_MIN = 1 << 10,
    PARCEL_BYTES_MAX = 64 << 10,
    PARCEL_COUNT_MAX = 4096,
    POOLED_MAX = 64,     /* as many as a window holds */
    ANNOUNCED_STEP = 512 /* bits */
};

void outbox_init(struct outbox *box) {
    memset(box, 0, sizeof *box);
    pthread_mutex_init(&box->mutex, NULL);
    box->room = PARCEL_BYTES_MIN;
    box->pool.max = POOLED_MAX;
}

void outbox_fini(struct outbox *box) {
    while (box->first != NULL) {
        struct parcel *next = box->first->next;
        parcel_free(box->first);
        box->first = next;
    }
    parcel_pool_fini(&box->pool);
    mem_free(box->announced);
    pthread_mutex_destroy(&box->mutex);
}

void outbox_admit(struct outbox *box, uint32_t serial, uint64_t window_bytes,
                  uint32_t window_messages) {
    pthread_mutex_lock(&box->mutex);
    if (serial != 0 && serial != box->announced_serial) {
        box->announced_serial = serial;
        if (box->announced != NULL) memset(box->announced, 0, box->announced_bits / 8);
    }
    box->serial = serial;
    box->room = PARCEL_BYTES_MIN;
    /* A parcel is sent whole: it must not need more than a receiver that files is sure to grant. */
    box->bytes_max =
        window_bytes / 2 < PARCEL_BYTES_MAX ? (uint32_t)window_bytes / 2 : PARCEL_BYTES_MAX;
    box->count_max =
        window_messages / 2 < PARCEL_COUNT_MAX ? window_messages / 2 : PARCEL_COUNT_MAX;
    pthread_mutex_unlock(&box->mutex);
}

/* Where an envelope with that body goes. */
static struct parcel *parcel_for(struct outbox *box, uint32_t body_bytes) {
    struct parcel *last = box->last;
    uint32_t wanted = ENVELOPE_HEAD_BYTES_MAX + body_bytes;
    if (last != NULL && last->tag == box->serial && last->count < box->count_max &&
        wanted <= last->room - last->bytes)
        return last;
    if (last != NULL) box->room *= 2; /* more came than it held, before the core took it */
    if (box->room > box->bytes_max) box->room = box->bytes_max;
    uint32_t room = wanted > box->room ? wanted : box->room;
    struct parcel *made =
        room == PARCEL_BYTES_MAX ? parcel_from(&box->pool, room) : parcel_new(room);
    made->tag = box->serial;
    if (last == NULL)
        box->first = made;
    else
        last->next = made;
    box->last = made;
    return made;
}

static void append(struct outbox *box, const struct envelope *envelope) {
    struct parcel *parcel = parcel_for(box, envelope->body_bytes);
    uint32_t before = parcel->bytes;
    parcel_append(parcel, &box->context, envelope);
    /* Relaxed: a hint for senders; the lock orders the rest. */
    atomic_store_explicit(
        &box->bytes_in,
        atomic_load_explicit(&box->bytes_in, memory_order_relaxed) + parcel->bytes - before,
        memory_order_relaxed);
}

/* Says what a record id means, before its first use in this session. */
static void announce(struct outbox *box, const record_type *type) {
    uint32_t id = type->id;
    if (id >= box->announced_bits) {
        uint32_t bits = (id / ANNOUNCED_STEP + 1) * ANNOUNCED_STEP;
        box->announced = mem_realloc(box->announced, bits / 8);
        memset(box->announced + box->announced_bits / 8, 0, (bits - box->announced_bits) / 8);
        box->announced_bits = bits;
    }
    if ((box->announced[id / 8] & (1u << (id % 8))) != 0) return;
    box->announced[id / 8] |= (uint8_t)(1u << (id % 8));
    struct envelope envelope = {.kind = ENVELOPE_RECORD,
                                .record = id,
                                .body = type->descriptor,
                                .body_bytes = type->descriptor_bytes};
    append(box, &envelope);
}

uint32_t outbox_append(struct outbox *box, const struct envelope *envelope, const record_type *type,
                       uint32_t wanted, bool *first_out) {
    pthread_mutex_lock(&box->mutex);
    uint32_t serial = wanted == 0 || wanted == box->serial ? box->serial : 0;
    if (serial != 0) {
        *first_out = box->first == NULL;
        if (type != NULL) announce(box, type);
        append(box, envelope);
    }
    pthread_mutex_unlock(&box->mutex);
    return serial;
}

struct parcel *outbox_take(struct outbox *box) {
    pthread_mutex_lock(&box->mutex);
    struct parcel *first = box->first;
    /* Little came since the last take: the next parcel need not be larger than what would hold it.
     */
    if (first != NULL && first == box->last && first->bytes < box->room / 4 &&
        box->room / 2 >= PARCEL_BYTES_MIN)
        box->room /= 2;
    box->first = box->last = NULL;
    pthread_mutex_unlock(&box->mutex);
    return first;
}

void outbox_moved(struct outbox *box, uint64_t bytes) {
    /* Release: pairs with outbox_bytes. */
    atomic_store_explicit(&box->bytes_out,
                          atomic_load_explicit(&box->bytes_out, memory_order_relaxed) + bytes,
                          memory_order_release);
}
