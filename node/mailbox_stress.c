/*
 * mailbox_stress.c - many senders, one owner that goes idle and is woken, for the thread sanitizer.
 *
 * Checks that nothing is lost or doubled, that each sender's messages arrive in order (I2), and
 * that no push is left behind by an owner that went idle. Usage: mailbox_stress [MESSAGES].
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/check.h"
#include "node/mailbox.h"

enum { SENDERS = 4, ROUNDS = 5 };

static struct mailbox box;
static _Atomic uint32_t scheduled; /* as a run queue: who wakes the mailbox adds one */
static uint64_t messages = 20000;
static unsigned passed, failed;

static void expect(bool truth, const char *what) {
    if (truth)
        passed++;
    else
        failed++, fprintf(stderr, "failed: %s\n", what);
}

static void *send(void *argument) {
    uint32_t slot = (uint32_t)(uintptr_t)argument;
    for (uint64_t i = 1; i <= messages; i++) {
        tr_message *item = message_new(0);
        item->from.slot = slot;
        item->serial = i;
        uint32_t count;
        enum mailbox_push_result result;
        while ((result = mailbox_push(&box, &item, 256, &count)) == MAILBOX_REFUSED) sched_yield();
        check(item == NULL);
        if (result == MAILBOX_WOKE) atomic_fetch_add(&scheduled, 1);
    }
    return NULL;
}

/* Takes all until `wanted` have come; returns how many were out of order. */
static uint64_t own(uint64_t wanted) {
    uint64_t last[SENDERS] = {0}, wrong = 0, seen = 0, turn = 0;
    struct message_list local = {0};
    while (seen < wanted) {
        while (atomic_load(&scheduled) == 0) sched_yield();
        check(atomic_fetch_sub(&scheduled, 1) == 1); /* never on two run queues */
        uint64_t empty = 0;
        do {
            /* One that waits alone is handled in its place, every other time. */
            tr_message *peeked = turn++ % 2 == 0 ? mailbox_peek(&box, &empty) : NULL;
            if (peeked != NULL) {
                atomic_store(&box.taken, -1);
                wrong += peeked->serial != ++last[peeked->from.slot];
                seen++;
                atomic_store(&box.taken, 0);
                bool rests = mailbox_rest(&box, empty);
                if (!rests) mailbox_leave(&box, peeked, &local);
                message_free(peeked);
                empty = 0;
                if (rests) break;
            } else {
                mailbox_take(&box, &local);
            }
            for (tr_message *item; (item = message_list_pop(&local)) != NULL; seen++) {
                wrong += item->serial != ++last[item->from.slot];
                atomic_fetch_sub(&box.taken, 1);
                message_free(item);
            }
        } while (!mailbox_rest(&box, 0));
    }
    return wrong;
}

int main(int count, char **arguments) {
    if (count > 1) messages = strtoull(arguments[1], NULL, 10);
    for (int round = 0; round < ROUNDS; round++) {
        mailbox_init(&box);
        atomic_store(&scheduled, 1); /* born scheduled */
        pthread_t threads[SENDERS];
        for (uintptr_t i = 0; i < SENDERS; i++)
            check(pthread_create(&threads[i], NULL, send, (void *)i) == 0);
        expect(own(messages * SENDERS) == 0, "each sender's messages arrive in order");
        for (int i = 0; i < SENDERS; i++) pthread_join(threads[i], NULL);
        expect(mailbox_count(&box) == 0, "nothing is left");
        struct message_list rest = {0};
        expect(mailbox_close(&box, &rest) == 0, "nothing comes out at the end");
        tr_message *late = message_new(0);
        uint32_t unused;
        expect(mailbox_push(&box, &late, 256, &unused) == MAILBOX_IS_CLOSED, "closed");
        message_free(late);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
