#include "node/base/block.h"

#include <pthread.h>
#include <stdbool.h>

#include "node/base/memory.h"

enum {
    CLASS_BYTES = 32, /* sizes are multiples of it */
    CLASSES = BLOCK_BYTES_MAX / CLASS_BYTES,
    CHAIN_BLOCKS = 64,         /* what travels at once; a cache holds at most two chains */
    DEPOT_BYTES_MAX = 16 << 20 /* of one class */
};

/* A free block. */
struct block {
    struct block *next;  /* in its chain */
    struct block *chain; /* the first of a chain in the depot: the next chain */
};

struct cache {
    struct block *first[CLASSES];
    unsigned count[CLASSES];
    bool is_known; /* to pthreads: it is emptied when the thread ends */
};

/* Initial-exec: one instruction to find it. libtroupe is loaded with its program, or takes these
 * few hundred bytes from the loader's reserve. */
static __thread struct cache cache __attribute__((tls_model("initial-exec")));

static struct depot {
    pthread_mutex_t mutex;
    struct block *chains;
    size_t bytes;
} depots[CLASSES];

static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static unsigned class_of(size_t bytes) {
    return bytes == 0 ? 0 : (unsigned)((bytes - 1) / CLASS_BYTES);
}

static void give_back(struct block *chain) {
    while (chain != NULL) {
        struct block *next = chain->next;
        mem_free(chain);
        chain = next;
    }
}

/* Puts a chain of CHAIN_BLOCKS into the depot, or gives it back when that is full. */
static void depot_put(unsigned class, struct block *chain) {
    struct depot *depot = &depots[class];
    size_t bytes = (size_t)CHAIN_BLOCKS * (class + 1) * CLASS_BYTES;
    pthread_mutex_lock(&depot->mutex);
    bool room = depot->bytes + bytes <= DEPOT_BYTES_MAX;
    if (room) {
        chain->chain = depot->chains;
        depot->chains = chain;
        depot->bytes += bytes;
    }
    pthread_mutex_unlock(&depot->mutex);
    if (!room) give_back(chain);
}

static struct block *depot_take(unsigned class) {
    struct depot *depot = &depots[class];
    pthread_mutex_lock(&depot->mutex);
    struct block *chain = depot->chains;
    if (chain != NULL) {
        depot->chains = chain->chain;
        depot->bytes -= (size_t)CHAIN_BLOCKS * (class + 1) * CLASS_BYTES;
    }
    pthread_mutex_unlock(&depot->mutex);
    return chain;
}

/* Cuts CHAIN_BLOCKS off the cache. */
static struct block *cut(unsigned class) {
    struct block *chain = cache.first[class], *last = chain;
    for (unsigned i = 1; i < CHAIN_BLOCKS; i++) last = last->next;
    cache.first[class] = last->next;
    cache.count[class] -= CHAIN_BLOCKS;
    last->next = NULL;
    return chain;
}

static void on_thread_end(void *unused) {
    (void)unused;
    for (unsigned class = 0; class < CLASSES; class ++) {
        while (cache.count[class] >= CHAIN_BLOCKS) depot_put(class, cut(class));
        give_back(cache.first[class]);
        cache.first[class] = NULL;
        cache.count[class] = 0;
    }
    cache.is_known = false;
}

static void init(void) {
    for (unsigned class = 0; class < CLASSES; class ++)
        pthread_mutex_init(&depots[class].mutex, NULL);
    pthread_key_create(&thread_end, on_thread_end);
}

__attribute__((noinline)) static void know_thread(void) {
    pthread_once(&once, init);
    pthread_setspecific(thread_end, &cache); /* without it, what the cache holds stays there */
    cache.is_known = true;
}

__attribute__((noinline)) static void *refill(unsigned class) {
    if (!cache.is_known) know_thread();
    struct block *chain = depot_take(class);
    if (chain == NULL) return mem_alloc((size_t)(class + 1) * CLASS_BYTES);
    cache.first[class] = chain->next;
    cache.count[class] = CHAIN_BLOCKS - 1;
    return chain;
}

__attribute__((noinline)) static void spill(unsigned class) {
    if (!cache.is_known) know_thread();
    depot_put(class, cut(class));
}

void *block_alloc(size_t bytes) {
    if (bytes > BLOCK_BYTES_MAX) return mem_alloc(bytes);
    unsigned class = class_of(bytes);
    struct block *block = cache.first[class];
    if (block == NULL) return refill(class);
    cache.first[class] = block->next;
    cache.count[class]--;
    return block;
}

void block_free(void *freed, size_t bytes) {
    if (freed == NULL) return;
    if (bytes > BLOCK_BYTES_MAX) {
        mem_free(freed);
        return;
    }
    unsigned class = class_of(bytes);
    struct block *block = freed;
    block->next = cache.first[class];
    cache.first[class] = block;
    if (++cache.count[class] > 2 * CHAIN_BLOCKS) spill(class);
}
