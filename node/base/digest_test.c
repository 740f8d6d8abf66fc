#include "node/base/digest.h"

#include <criterion/criterion.h>

#include "node/base/hex.h"

TestSuite(digest, .timeout = 30);

/* Published values: whoever reads a snapshot checks it with another implementation. */
Test(digest, is_blake2b_256) {
    uint8_t digest[DIGEST_BYTES];
    char text[DIGEST_TEXT_BYTES];
    digest_of("abc", 3, digest);
    digest_text(digest, text);
    cr_assert_str_eq(text, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    digest_of(NULL, 0, digest);
    digest_text(digest, text);
    cr_assert_str_eq(text, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

Test(digest, parts_give_the_digest_of_the_whole) {
    uint8_t bytes[1000];
    uint8_t whole[DIGEST_BYTES];
    uint8_t parts[DIGEST_BYTES];
    struct digest digest;
    for (unsigned i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
    digest_of(bytes, sizeof bytes, whole);
    digest_init(&digest);
    digest_update(&digest, bytes, 1);
    digest_update(&digest, NULL, 0);
    digest_update(&digest, bytes + 1, 130);
    digest_update(&digest, bytes + 131, sizeof bytes - 131);
    digest_final(&digest, parts);
    cr_assert(digest_equal(whole, parts));
    bytes[999] ^= 1;
    digest_of(bytes, sizeof bytes, whole);
    cr_assert_not(digest_equal(whole, parts));
}

/* RFC 8032, section 7.1, test 2. */
Test(digest, signature_is_ed25519) {
    uint8_t seed[SIGN_SEED_BYTES];
    uint8_t public_key[SIGN_PUBLIC_BYTES];
    uint8_t signature[SIGNATURE_BYTES];
    char text[2 * SIGNATURE_BYTES + 1];
    cr_assert(hex_decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", seed,
                         sizeof seed));
    digest_sign_public(seed, public_key);
    hex_encode(public_key, sizeof public_key, text);
    cr_assert_str_eq(text, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    digest_sign(seed, "\x72", 1, signature);
    hex_encode(signature, sizeof signature, text);
    cr_assert_str_eq(text,
                     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    cr_assert(digest_verify(public_key, "\x72", 1, signature));
}

Test(digest, a_changed_message_signature_or_key_does_not_verify) {
    uint8_t seed[SIGN_SEED_BYTES] = {1, 2, 3};
    uint8_t public_key[SIGN_PUBLIC_BYTES];
    uint8_t signature[SIGNATURE_BYTES];
    digest_sign_public(seed, public_key);
    digest_sign(seed, "manifest", 8, signature);
    cr_assert(digest_verify(public_key, "manifest", 8, signature));
    cr_assert_not(digest_verify(public_key, "manifesT", 8, signature));
    cr_assert_not(digest_verify(public_key, "manifest", 7, signature));
    signature[63] ^= 1;
    cr_assert_not(digest_verify(public_key, "manifest", 8, signature));
    signature[63] ^= 1;
    public_key[0] ^= 1;
    cr_assert_not(digest_verify(public_key, "manifest", 8, signature));
}

Test(digest, wipe_leaves_nothing) {
    uint8_t secret[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    digest_wipe(secret, sizeof secret);
    cr_assert_arr_eq(secret, ((uint8_t[8]){0}), 8);
}
