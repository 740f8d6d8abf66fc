#include "node/base/block.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

TestSuite(block, .timeout = 60);

enum { BLOCKS = 1000 };

/* Fills a block so that two that overlap would be noticed. */
static void fill(unsigned char *block, size_t bytes, int mark) {
    memset(block, mark, bytes);
}

static void check_filled(const unsigned char *block, size_t bytes, int mark) {
    for (size_t i = 0; i < bytes; i++) cr_assert_eq(block[i], (unsigned char)mark);
}

Test(block, blocks_of_every_size_are_aligned_and_apart) {
    static unsigned char *blocks[2 * BLOCK_BYTES_MAX];
    for (int round = 0; round < 3; round++) {
        for (size_t bytes = 0; bytes < 2 * BLOCK_BYTES_MAX; bytes++) {
            blocks[bytes] = block_alloc(bytes);
            cr_assert_eq((uintptr_t)blocks[bytes] % 16, 0);
            fill(blocks[bytes], bytes, (int)bytes);
        }
        for (size_t bytes = 0; bytes < 2 * BLOCK_BYTES_MAX; bytes++) {
            check_filled(blocks[bytes], bytes, (int)bytes);
            block_free(blocks[bytes], bytes);
        }
    }
    block_free(NULL, 0);
}

static unsigned char *handed_over[BLOCKS];

static void *make_all(void *unused) {
    for (int i = 0; i < BLOCKS; i++) {
        handed_over[i] = block_alloc(100);
        fill(handed_over[i], 100, i);
    }
    return unused;
}

static void *free_all(void *unused) {
    for (int i = 0; i < BLOCKS; i++) {
        check_filled(handed_over[i], 100, i);
        block_free(handed_over[i], 100);
    }
    return unused;
}

/* More than two caches hold, so chains travel through the depot, also at the threads' ends. */
Test(block, what_one_thread_makes_another_frees) {
    for (int round = 0; round < 20; round++) {
        pthread_t maker, freer;
        cr_assert_eq(pthread_create(&maker, NULL, make_all, NULL), 0);
        pthread_join(maker, NULL);
        cr_assert_eq(pthread_create(&freer, NULL, free_all, NULL), 0);
        pthread_join(freer, NULL);
    }
}

static void *free_few(void *unused) {
    for (int i = 0; i < 100; i++) block_free(handed_over[i], 100);
    return unused;
}

/* Fewer than a chain, so nothing ever goes to the depot or comes from there. */
Test(block, a_thread_that_only_frees_leaves_nothing_behind) {
    size_t before = 0;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 100; i++) handed_over[i] = block_alloc(100);
        pthread_t freer;
        cr_assert_eq(pthread_create(&freer, NULL, free_few, NULL), 0);
        pthread_join(freer, NULL);
        if (round == 20) before = mallinfo2().uordblks;
    }
    cr_assert_lt(mallinfo2().uordblks, before + 500000);
}
