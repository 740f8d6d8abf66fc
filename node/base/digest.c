/*
 * digest.c - BLAKE2b and Ed25519 by libsodium.
 */
#include "node/base/digest.h"

#include <sodium.h>

#include "node/base/check.h"
#include "node/base/hex.h"

typedef crypto_generichash_blake2b_state blake2b_state;

_Static_assert(sizeof(blake2b_state) <= sizeof(struct digest), "struct digest is too small");
_Static_assert((int)DIGEST_BYTES == (int)crypto_generichash_blake2b_BYTES, "BLAKE2b-256");
_Static_assert((int)SIGN_SEED_BYTES == (int)crypto_sign_ed25519_SEEDBYTES, "Ed25519");
_Static_assert((int)SIGN_PUBLIC_BYTES == (int)crypto_sign_ed25519_PUBLICKEYBYTES, "Ed25519");
_Static_assert((int)SIGNATURE_BYTES == (int)crypto_sign_ed25519_BYTES, "Ed25519");

static blake2b_state *state_of(struct digest *digest) {
    return (blake2b_state *)(void *)digest->state;
}

void digest_init(struct digest *digest) {
    check(sodium_init() >= 0);
    check(crypto_generichash_blake2b_init(state_of(digest), NULL, 0, DIGEST_BYTES) == 0);
}

void digest_update(struct digest *digest, const void *source, size_t bytes) {
    if (bytes == 0) return;
    check(crypto_generichash_blake2b_update(state_of(digest), source, bytes) == 0);
}

void digest_final(struct digest *digest, uint8_t digest_out[DIGEST_BYTES]) {
    check(crypto_generichash_blake2b_final(state_of(digest), digest_out, DIGEST_BYTES) == 0);
}

void digest_of(const void *source, size_t bytes, uint8_t digest_out[DIGEST_BYTES]) {
    struct digest digest;
    digest_init(&digest);
    digest_update(&digest, source, bytes);
    digest_final(&digest, digest_out);
}

void digest_text(const uint8_t digest[DIGEST_BYTES], char text_out[DIGEST_TEXT_BYTES]) {
    hex_encode(digest, DIGEST_BYTES, text_out);
}

bool digest_equal(const uint8_t a[DIGEST_BYTES], const uint8_t b[DIGEST_BYTES]) {
    return sodium_memcmp(a, b, DIGEST_BYTES) == 0;
}

void digest_sign_public(const uint8_t seed[SIGN_SEED_BYTES],
                        uint8_t public_out[SIGN_PUBLIC_BYTES]) {
    uint8_t secret[crypto_sign_ed25519_SECRETKEYBYTES];
    check(sodium_init() >= 0);
    check(crypto_sign_ed25519_seed_keypair(public_out, secret, seed) == 0);
    sodium_memzero(secret, sizeof secret);
}

void digest_sign(const uint8_t seed[SIGN_SEED_BYTES], const void *source, size_t bytes,
                 uint8_t signature_out[SIGNATURE_BYTES]) {
    uint8_t public_key[SIGN_PUBLIC_BYTES];
    uint8_t secret[crypto_sign_ed25519_SECRETKEYBYTES];
    check(sodium_init() >= 0);
    check(crypto_sign_ed25519_seed_keypair(public_key, secret, seed) == 0);
    check(crypto_sign_ed25519_detached(signature_out, NULL, source, bytes, secret) == 0);
    sodium_memzero(secret, sizeof secret);
}

bool digest_verify(const uint8_t public_key[SIGN_PUBLIC_BYTES], const void *source, size_t bytes,
                   const uint8_t signature[SIGNATURE_BYTES]) {
    check(sodium_init() >= 0);
    return crypto_sign_ed25519_verify_detached(signature, source, bytes, public_key) == 0;
}

void digest_wipe(void *secret, size_t bytes) {
    sodium_memzero(secret, bytes);
}
