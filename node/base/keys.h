/*
 * keys.h - a node's keys: CURVE25519 for its links, Ed25519 for what it signs.
 *
 * The CURVE pair is what libzmq's CURVE mechanism takes, the text form is ZeroMQ RFC 32 (Z85).
 * In a directory of keys, NAME.key (mode 0600) holds both secrets and NAME.pub (mode 0644) both
 * public keys, one `key = value` a line. A secret that others could read is refused. The file
 * functions block on the disk; any thread or process may call them.
 */
#ifndef TROUPE_BASE_KEYS_H
#define TROUPE_BASE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/error.h"

enum {
    KEYS_BYTES = 32,      /* each key and the signing seed */
    KEYS_TEXT_BYTES = 41, /* a key as Z85, closing zero included */
    KEYS_NAME_BYTES = 64, /* a node's name, closing zero included */
};

/* A source of randomness fit for secrets; environment.random_bytes has this shape. */
typedef void keys_random(void *context, void *out, size_t bytes);

/* All of one node's keys. Wipe it with keys_wipe when done. */
typedef struct key_pair {
    uint8_t curve_public[KEYS_BYTES];
    uint8_t curve_secret[KEYS_BYTES];
    uint8_t sign_public[KEYS_BYTES];
    uint8_t sign_seed[KEYS_BYTES];
} key_pair;

/* What others know of a node. */
typedef struct public_keys {
    char name[KEYS_NAME_BYTES]; /* of the file, without `.pub` */
    uint8_t curve[KEYS_BYTES];
    uint8_t sign[KEYS_BYTES];
} public_keys;

/* Draws new keys. */
void keys_make(key_pair *keys_out, keys_random *random_bytes, void *context);

/* Overwrites the secrets. */
void keys_wipe(key_pair *keys);

/* Writes 32 bytes as 40 characters of Z85 and a closing zero. */
void keys_text(const uint8_t key[KEYS_BYTES], char text_out[KEYS_TEXT_BYTES]);

/* Reads 40 characters of Z85; false, with `key_out` untouched, for any other text. */
bool keys_parse(const char *text, uint8_t key_out[KEYS_BYTES]);

/* True for a name that may stand before `.key`: 1 to 63 of letters, digits, `_`, `-` and `.`, not
 * beginning with `.` or `-`. */
bool keys_name_valid(const char *name);

/*
 * The functions below also fail with TR_EINVAL for a bad name, TR_ENOSPC and TR_EIO. A file that is
 * not as it should be is TR_EDATA; a NAME.key that others may use, TR_EREFUSED. The error names the
 * path and what to do.
 */

/* Loads DIRECTORY/NAME.key; when there is none, makes the directory (mode 0700) and new keys
 * first. Writes NAME.pub when it is missing; one that does not fit is TR_EDATA. When two processes
 * do this at once, both get the same keys. */
tr_status keys_load_or_make(const char *directory, const char *name, keys_random *random_bytes,
                            void *context, key_pair *keys_out, tr_error *error);

/* Loads DIRECTORY/NAME.key; TR_ENOENT when there is none. */
tr_status keys_load(const char *directory, const char *name, key_pair *keys_out, tr_error *error);

/* Loads DIRECTORY/NAME.pub; TR_ENOENT when there is none. */
tr_status keys_load_public(const char *directory, const char *name, public_keys *keys_out,
                           tr_error *error);

/* Loads every NAME.pub of the directory, ordered by name; the caller frees `*list_out` (never NULL)
 * with mem_free. No directory is an empty list. */
tr_status keys_list(const char *directory, public_keys **list_out, size_t *count_out,
                    tr_error *error);

#endif
