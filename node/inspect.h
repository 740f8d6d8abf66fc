/*
 * inspect.h - an actor tells how it is, in its own turn, so that its state is never torn.
 */
#ifndef TROUPE_INSPECT_H
#define TROUPE_INSPECT_H

#include "node/actor.h"

/* The answer: a JSON object with contents, asks, timers, marks. */
struct inspection {
    tr_text json;
};
extern const tr_record inspection_record;

/* Answers a MESSAGE_INSPECT. Owner only. */
void inspect_answer(tr_actor *actor, const tr_message *request);

#endif
