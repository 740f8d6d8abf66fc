#include "node/base/block.h"

#include <pthread.h>
#include <stdbool.h>

#include "node/base/memory.h"

enum {
    CLASS_BYTES = 32, /* sizes are multiples of it, less what malloc adds to each */
    MALLOC_BYTES = 8,
    CLASSES = (BLOCK_BYTES_MAX + MALLOC_BYTES + CLASS_BYTES - 1) / CLASS_BYTES,
    CHAIN_BLOCKS = 128,        /* what travels at once; a cache holds at most two chains */
    DEPOT_BYTES_MAX = 16 << 20 /* of one class */
};

/* A free block. */
struct block {
    struct block *next;  /* in its chain */
    struct block *chain; /* the first of a chain in the depot: the next chain */
};

/* Up to CHAIN_BLOCKS free blocks. */
struct magazine {
    struct block *first;
    unsigned count;
};

/* Two magazines a size, so that a thread which makes and frees in turn at a chain's end does not go
 * to the depot each time. */
struct cache {
    struct magazine loaded[CLASSES];
    struct magazine other[CLASSES]; /* empty or full */
    bool is_known;                  /* to pthreads: it is emptied when the thread ends */
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
    return (unsigned)((bytes + MALLOC_BYTES - (bytes > 0)) / CLASS_BYTES);
}

static size_t class_bytes(unsigned class) {
    return (size_t)(class + 1) * CLASS_BYTES - MALLOC_BYTES;
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
    size_t bytes = CHAIN_BLOCKS * class_bytes(class);
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
        depot->bytes -= CHAIN_BLOCKS * class_bytes(class);
    }
    pthread_mutex_unlock(&depot->mutex);
    return chain;
}

static void on_thread_end(void *unused) {
    (void)unused;
    for (unsigned class = 0; class < CLASSES; class ++) {
        if (cache.other[class].count > 0) depot_put(class, cache.other[class].first);
        give_back(cache.loaded[class].first);
        cache.loaded[class] = cache.other[class] = (struct magazine){NULL, 0};
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

/* The loaded magazine is empty: loads the other, or one of the depot. */
__attribute__((noinline)) static void *refill(unsigned class) {
    if (!cache.is_known) know_thread();
    struct magazine *loaded = &cache.loaded[class];
    *loaded = cache.other[class];
    cache.other[class] = (struct magazine){NULL, 0};
    if (loaded->first == NULL) *loaded = (struct magazine){depot_take(class), CHAIN_BLOCKS};
    struct block *block = loaded->first;
    if (block == NULL) {
        loaded->count = 0;
        return mem_alloc(class_bytes(class));
    }
    loaded->first = block->next;
    loaded->count--;
    return block;
}

/* The loaded magazine is full: it becomes the other, and what that held goes to the depot. */
__attribute__((noinline)) static void spill(unsigned class) {
    if (!cache.is_known) know_thread();
    if (cache.other[class].count > 0) depot_put(class, cache.other[class].first);
    cache.other[class] = cache.loaded[class];
    cache.loaded[class] = (struct magazine){NULL, 0};
}

void *block_alloc(size_t bytes) {
    if (bytes > BLOCK_BYTES_MAX) return mem_alloc(bytes);
    unsigned class = class_of(bytes);
    struct magazine *loaded = &cache.loaded[class];
    struct block *block = loaded->first;
    if (block == NULL) return refill(class);
    loaded->first = block->next;
    /* What the next one is linked to: a block that was freed long ago has left the cache. */
    if (loaded->first != NULL) __builtin_prefetch(loaded->first);
    loaded->count--;
    return block;
}

void block_free(void *freed, size_t bytes) {
    if (freed == NULL) return;
    if (bytes > BLOCK_BYTES_MAX) {
        mem_free(freed);
        return;
    }
    unsigned class = class_of(bytes);
    struct magazine *loaded = &cache.loaded[class];
    if (loaded->count == CHAIN_BLOCKS)
        spill(class);
    else if (loaded->count == 0 && !cache.is_known)
        know_thread();
    struct block *block = freed;
    block->next = loaded->first;
    loaded->first = block;
    loaded->count++;
}
