/*
 * keyring.h - whose public keys are admitted, and as whom.
 *
 * Read from a node's folder of keys: each NAME.pub admits its key under that name. A name that
 * begins with `operate.` or `observe.` (also `control`, which may operate) is a control client's,
 * every other one a node's; neither passes for the other. A key in the sub-folder `banned` is
 * refused for good, whatever else lies there. One thread owns a keyring; reading the folder blocks
 * on the disk. PROTOCOL.md, Security.
 */
#ifndef TROUPE_TRANSPORT_KEYRING_H
#define TROUPE_TRANSPORT_KEYRING_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/error.h"
#include "node/base/keys.h"

struct keyring;

/* What the holder of a key may do, found from the key's name. */
enum keyring_role {
    KEYRING_NODE,    /* take part in the cluster's links */
    KEYRING_OPERATE, /* ask a node anything */
    KEYRING_OBSERVE, /* ask a node what changes nothing */
};

/* Where a key asks to be let in. */
enum keyring_door { KEYRING_LINKS, KEYRING_CONTROL };

enum keyring_verdict {
    KEYRING_UNKNOWN, /* no file has it, or only one that is for the other door */
    KEYRING_ADMITTED,
    KEYRING_BANNED,
};

/* The role that a key of this name has. */
enum keyring_role keyring_role(const char *name);

/* Reads the folder (none: no keys). Errors: as keys_list. The caller owns `*ring_out`. */
tr_status keyring_open(const char *directory, struct keyring **ring_out, tr_error *error);

/* Frees it; NULL is nothing to do. */
void keyring_close(struct keyring *ring);

/* Reads the folder again. Errors: as keys_list; what was known before stays in force then. */
tr_status keyring_reload(struct keyring *ring, tr_error *error);

/* As keyring_reload, but at most ten times at once and then once a second, so that strangers cannot
 * keep the disk busy: returns TR_EBUSY, with nothing read, in between. `now_ns` is monotonic. */
tr_status keyring_refresh(struct keyring *ring, uint64_t now_ns, tr_error *error);

/* What to answer a key at a door. */
enum keyring_verdict keyring_judge(const struct keyring *ring, enum keyring_door door,
                                   const uint8_t key[KEYS_BYTES]);

/* The name of a key (as Z85) that is admitted at this door now, borrowed until the next reload;
 * NULL for any other. */
const char *keyring_name(const struct keyring *ring, enum keyring_door door, const char *key_text);

#endif
