/*
 * lookup.h - looks up a host's name without making anybody wait.
 *
 * The system's resolver may block for many seconds, and would stop all links of a node if libzmq
 * or the driver's thread called it. So each look-up has a thread of its own, which ends by itself;
 * whoever loses interest just lets go of it. One thread uses a look-up; it is told of the end
 * through an eventfd.
 */
#ifndef TROUPE_TRANSPORT_LOOKUP_H
#define TROUPE_TRANSPORT_LOOKUP_H

#include <stdbool.h>
#include <troupe.h>

#include "node/base/endpoint.h"

struct lookup;

/* Begins to look up the host of an endpoint; `eventfd` (copied) is written when that is over.
 * Returns NULL when there is no room for another thread or descriptor. */
struct lookup *lookup_start(const struct endpoint *endpoint, int eventfd);

/* True once it is over, with the outcome of endpoint_make_numeric in `*status_out`, and the
 * endpoint in
 * `*endpoint_out` or the reason in `*error_out`. */
bool lookup_done(const struct lookup *lookup, tr_status *status_out, struct endpoint *endpoint_out,
                 tr_error *error_out);

/* Lets go of it, over or not; NULL is nothing to do. */
void lookup_release(struct lookup *lookup);

#endif
