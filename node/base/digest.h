/*
 * digest.h - BLAKE2b-256 digests and Ed25519 signatures, over libsodium.
 *
 * digest.c and keys.c are the only files that know libsodium. A digest state belongs to one
 * thread at a time; the other functions may be called by any thread. Nothing here draws random
 * numbers: seeds are passed in (I1).
 */
#ifndef TROUPE_BASE_DIGEST_H
#define TROUPE_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DIGEST_BYTES = 32,
    DIGEST_TEXT_BYTES = 2 * DIGEST_BYTES + 1, /* as hexadecimal, closing zero included */
    SIGN_SEED_BYTES = 32,
    SIGN_PUBLIC_BYTES = 32,
    SIGNATURE_BYTES = 64,
};

/* A digest under way; needs no freeing. May be copied to fork a digest. */
struct digest {
    _Alignas(64) uint8_t state[384];
};

/* Starts the digest of a sequence of bytes. */
void digest_init(struct digest *digest);

/* Adds bytes to the sequence; `source` may be NULL when `bytes` is 0. */
void digest_update(struct digest *digest, const void *source, size_t bytes);

/* Writes the digest of all that was added; the state must be started again before the next use. */
void digest_final(struct digest *digest, uint8_t digest_out[DIGEST_BYTES]);

/* The digest of one run of bytes. */
void digest_of(const void *source, size_t bytes, uint8_t digest_out[DIGEST_BYTES]);

/* Writes a digest as 64 hexadecimal digits and a closing zero. */
void digest_text(const uint8_t digest[DIGEST_BYTES], char text_out[DIGEST_TEXT_BYTES]);

/* True when both digests are equal; takes the same time for all. */
bool digest_equal(const uint8_t a[DIGEST_BYTES], const uint8_t b[DIGEST_BYTES]);

/* Writes the public signing key that belongs to a secret seed. */
void digest_sign_public(const uint8_t seed[SIGN_SEED_BYTES], uint8_t public_out[SIGN_PUBLIC_BYTES]);

/* Signs `bytes` bytes with the key that belongs to the seed (Ed25519, deterministic). */
void digest_sign(const uint8_t seed[SIGN_SEED_BYTES], const void *source, size_t bytes,
                 uint8_t signature_out[SIGNATURE_BYTES]);

/* True when the signature over these bytes was made by the owner of the public key. */
bool digest_verify(const uint8_t public_key[SIGN_PUBLIC_BYTES], const void *source, size_t bytes,
                   const uint8_t signature[SIGNATURE_BYTES]);

/* Overwrites a secret in a way the compiler keeps. */
void digest_wipe(void *secret, size_t bytes);

#endif
