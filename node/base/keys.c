/*
 * keys.c - CURVE25519 keys by libsodium, Z85, and the directory of keys.
 *
 * A key file is read back strictly: every line known, every key there once, each public key the
 * one that belongs to its secret. A file made by hand or damaged is refused with its line.
 */
#include "node/base/keys.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/buffer.h"
#include "node/base/check.h"
#include "node/base/digest.h"
#include "node/base/file.h"
#include "node/base/memory.h"

enum { KEY_FILE_BYTES_MAX = 4096 };

_Static_assert((int)KEYS_BYTES == (int)crypto_box_curve25519xsalsa20poly1305_SECRETKEYBYTES,
               "CURVE25519");
_Static_assert((int)KEYS_BYTES == (int)crypto_box_curve25519xsalsa20poly1305_PUBLICKEYBYTES,
               "CURVE25519");
_Static_assert((int)KEYS_BYTES == (int)SIGN_SEED_BYTES, "Ed25519");
_Static_assert((int)KEYS_BYTES == (int)SIGN_PUBLIC_BYTES, "Ed25519");

static const char z85_digits[] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/* The public key of a CURVE secret, as crypto_box_keypair makes it. */
static void curve_public_of(const uint8_t secret[KEYS_BYTES], uint8_t public_out[KEYS_BYTES]) {
    check(sodium_init() >= 0);
    check(crypto_scalarmult_curve25519_base(public_out, secret) == 0);
}

void keys_make(key_pair *keys_out, keys_random *random_bytes, void *context) {
    random_bytes(context, keys_out->curve_secret, KEYS_BYTES);
    random_bytes(context, keys_out->sign_seed, KEYS_BYTES);
    curve_public_of(keys_out->curve_secret, keys_out->curve_public);
    digest_sign_public(keys_out->sign_seed, keys_out->sign_public);
}

void keys_wipe(key_pair *keys) {
    digest_wipe(keys, sizeof *keys);
}

void keys_text(const uint8_t key[KEYS_BYTES], char text_out[KEYS_TEXT_BYTES]) {
    for (size_t i = 0; i < KEYS_BYTES / 4; i++) {
        uint32_t word = (uint32_t)key[4 * i] << 24 | (uint32_t)key[4 * i + 1] << 16 |
                        (uint32_t)key[4 * i + 2] << 8 | key[4 * i + 3];
        for (size_t digit = 5; digit-- > 0; word /= 85) {
            text_out[5 * i + digit] = z85_digits[word % 85];
        }
    }
    text_out[KEYS_TEXT_BYTES - 1] = '\0';
}

/* Reads five digits as one big-endian word; false when they are no number below 2^32. */
static bool parse_word(const char *text, uint8_t out[4]) {
    uint64_t word = 0;
    for (size_t i = 0; i < 5; i++) {
        const char *digit = strchr(z85_digits, text[i]);
        if (digit == NULL) return false;
        word = word * 85 + (uint64_t)(digit - z85_digits);
    }
    if (word > UINT32_MAX) return false;
    for (size_t i = 0; i < 4; i++) out[i] = (uint8_t)(word >> (24 - 8 * i));
    return true;
}

bool keys_parse(const char *text, uint8_t key_out[KEYS_BYTES]) {
    uint8_t key[KEYS_BYTES];
    if (strnlen(text, KEYS_TEXT_BYTES) != KEYS_TEXT_BYTES - 1) return false;
    for (size_t i = 0; i < KEYS_BYTES / 4; i++) {
        if (!parse_word(text + 5 * i, key + 4 * i)) return false;
    }
    memcpy(key_out, key, sizeof key);
    digest_wipe(key, sizeof key);
    return true;
}

bool keys_name_valid(const char *name) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t bytes = strnlen(name, KEYS_NAME_BYTES);
    if (bytes == 0 || bytes >= KEYS_NAME_BYTES) return false;
    if (name[0] == '.' || name[0] == '-') return false;
    return strspn(name, allowed) == bytes;
}

/* DIRECTORY/NAMEsuffix, the caller's, or TR_EINVAL. */
static tr_status path_of(const char *directory, const char *name, const char *suffix,
                         char **path_out, tr_error *error) {
    if (!keys_name_valid(name)) {
        return error_set(error, TR_EINVAL,
                         "use 1 to 63 letters, digits, '_', '-' and '.', not beginning with '-' "
                         "or '.'",
                         "'%.80s' cannot name a key", name);
    }
    *path_out = mem_format("%s/%s%s", directory, name, suffix);
    return TR_OK;
}

/* One `name = value` line of a key file, and where its value goes. */
struct key_line {
    const char *name;
    uint8_t *key;
    bool seen;
};

static tr_status bad_file(const char *path, size_t line, const char *what, tr_error *error) {
    if (line > 0) {
        error_set(error, TR_EDATA, NULL, "%s line %zu: %s", path, line, what);
    } else {
        error_set(error, TR_EDATA, NULL, "%s: %s", path, what);
    }
    error_hint(error, "copy %s again from where it was made, or remove it", path);
    return TR_EDATA;
}

/* Cuts blanks off both ends. */
static char *trim(char *text) {
    while (*text == ' ' || *text == '\t') text++;
    size_t bytes = strlen(text);
    while (bytes > 0 && strchr(" \t\r", text[bytes - 1]) != NULL) bytes--;
    text[bytes] = '\0';
    return text;
}

static tr_status read_line(char *text, struct key_line *lines, size_t count, const char *path,
                           size_t number, tr_error *error) {
    text = trim(text);
    if (*text == '\0' || *text == '#') return TR_OK;
    char *equals = strchr(text, '=');
    if (equals == NULL) return bad_file(path, number, "not of the form 'key = value'", error);
    *equals = '\0';
    const char *name = trim(text);
    const char *value = trim(equals + 1);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, lines[i].name) != 0) continue;
        if (lines[i].seen) return bad_file(path, number, "this key stands here twice", error);
        if (!keys_parse(value, lines[i].key)) {
            return bad_file(path, number, "the value is not 40 characters of Z85", error);
        }
        lines[i].seen = true;
        return TR_OK;
    }
    return bad_file(path, number, "unknown key", error);
}

/* Reads the whole content (which it cuts up) into the lines' keys; each must be there. */
static tr_status read_lines(char *content, size_t bytes, struct key_line *lines, size_t count,
                            const char *path, tr_error *error) {
    if (memchr(content, '\0', bytes) != NULL) return bad_file(path, 0, "not a text", error);
    size_t number = 1;
    for (char *text = content; text != NULL; number++) {
        char *end = strchr(text, '\n');
        if (end != NULL) *end = '\0';
        tr_status status = read_line(text, lines, count, path, number, error);
        if (status != TR_OK) return status;
        text = end != NULL ? end + 1 : NULL;
    }
    for (size_t i = 0; i < count; i++) {
        char what[64];
        if (lines[i].seen) continue;
        snprintf(what, sizeof what, "'%s' is missing", lines[i].name);
        return bad_file(path, 0, what, error);
    }
    return TR_OK;
}

/* Wipes what was read: it may hold secrets. */
static void forget(struct buffer *content) {
    if (content->data != NULL) digest_wipe(content->data, content->capacity);
    buffer_fini(content);
}

static tr_status read_secret(const char *path, key_pair *keys_out, tr_error *error) {
    struct buffer content = {0};
    key_pair keys;
    struct key_line lines[] = {
        {"curve_public", keys.curve_public, false},
        {"curve_secret", keys.curve_secret, false},
        {"sign_public", keys.sign_public, false},
        {"sign_seed", keys.sign_seed, false},
    };
    tr_status status = file_read_private(path, KEY_FILE_BYTES_MAX, &content, error);
    if (status == TR_OK) {
        char *text = (char *)buffer_text(&content);
        status = read_lines(text, content.bytes, lines, 4, path, error);
    }
    if (status == TR_OK) {
        key_pair derived = keys;
        curve_public_of(keys.curve_secret, derived.curve_public);
        digest_sign_public(keys.sign_seed, derived.sign_public);
        if (memcmp(&derived, &keys, sizeof keys) != 0) {
            status = bad_file(path, 0, "a public key does not belong to its secret", error);
        }
        keys_wipe(&derived);
    }
    if (status == TR_OK) *keys_out = keys;
    keys_wipe(&keys);
    forget(&content);
    return status;
}

static tr_status read_public(const char *path, const char *name, public_keys *keys_out,
                             tr_error *error) {
    struct buffer content = {0};
    public_keys keys = {0};
    struct key_line lines[] = {
        {"curve_public", keys.curve, false},
        {"sign_public", keys.sign, false},
    };
    tr_status status = file_read(path, KEY_FILE_BYTES_MAX, &content, error);
    if (status == TR_OK) {
        char *text = (char *)buffer_text(&content);
        status = read_lines(text, content.bytes, lines, 2, path, error);
    }
    if (status == TR_OK) {
        memcpy(keys.name, name, strlen(name) + 1);
        *keys_out = keys;
    }
    buffer_fini(&content);
    return status;
}

static void append_key(struct buffer *content, const char *name, const uint8_t key[KEYS_BYTES]) {
    char text[KEYS_TEXT_BYTES];
    keys_text(key, text);
    buffer_append_format(content, "%s = %s\n", name, text);
    digest_wipe(text, sizeof text);
}

/* Makes NAME.key; TR_EEXIST when another process was first. */
static tr_status create_secret(const char *path, const char *name, const key_pair *keys,
                               tr_error *error) {
    struct buffer content = {0};
    buffer_reserve(&content,
                   KEY_FILE_BYTES_MAX); /* so that secrets are not left behind by growth */
    buffer_append_format(&content, "# Secret keys of troupe node %s. Whoever has them is %s.\n",
                         name, name);
    append_key(&content, "curve_public", keys->curve_public);
    append_key(&content, "curve_secret", keys->curve_secret);
    append_key(&content, "sign_public", keys->sign_public);
    append_key(&content, "sign_seed", keys->sign_seed);
    tr_status status = file_create(path, content.data, content.bytes, 0600, error);
    forget(&content);
    return status;
}

static tr_status create_public(const char *path, const char *name, const key_pair *keys,
                               tr_error *error) {
    struct buffer content = {0};
    buffer_append_format(&content, "# Public keys of troupe node %s, for its peers' folders.\n",
                         name);
    append_key(&content, "curve_public", keys->curve_public);
    append_key(&content, "sign_public", keys->sign_public);
    tr_status status = file_create(path, content.data, content.bytes, 0644, error);
    buffer_fini(&content);
    return status;
}

tr_status keys_load(const char *directory, const char *name, key_pair *keys_out, tr_error *error) {
    char *path;
    tr_status status = path_of(directory, name, ".key", &path, error);
    if (status != TR_OK) return status;
    status = read_secret(path, keys_out, error);
    mem_free(path);
    return status;
}

tr_status keys_load_public(const char *directory, const char *name, public_keys *keys_out,
                           tr_error *error) {
    char *path;
    tr_status status = path_of(directory, name, ".pub", &path, error);
    if (status != TR_OK) return status;
    status = read_public(path, name, keys_out, error);
    mem_free(path);
    return status;
}

static tr_status make_secret(const char *directory, const char *path, const char *name,
                             keys_random *random_bytes, void *context, tr_error *error) {
    key_pair keys;
    tr_status status = file_make_directory(directory, 0700, error);
    if (status != TR_OK) return status;
    keys_make(&keys, random_bytes, context);
    status = create_secret(path, name, &keys, error);
    keys_wipe(&keys);
    return status;
}

static bool fits(const public_keys *published, const key_pair *keys) {
    return memcmp(published->curve, keys->curve_public, KEYS_BYTES) == 0 &&
           memcmp(published->sign, keys->sign_public, KEYS_BYTES) == 0;
}

/* Sees to it that NAME.pub is there and fits. */
static tr_status publish(const char *directory, const char *name, const key_pair *keys,
                         tr_error *error) {
    char *path;
    public_keys published;
    tr_status status = path_of(directory, name, ".pub", &path, error);
    if (status != TR_OK) return status;
    status = read_public(path, name, &published, error);
    if (status == TR_ENOENT) {
        status = create_public(path, name, keys, error);
        if (status == TR_OK || status == TR_EEXIST) {
            status = read_public(path, name, &published, error);
        }
    }
    if (status == TR_OK && !fits(&published, keys)) {
        status = error_set(error, TR_EDATA, NULL, "%s does not belong to %s/%s.key", path,
                           directory, name);
        error_hint(error, "rm %s; it is then made again from the .key", path);
    }
    mem_free(path);
    return status;
}

tr_status keys_load_or_make(const char *directory, const char *name, keys_random *random_bytes,
                            void *context, key_pair *keys_out, tr_error *error) {
    char *path;
    key_pair keys;
    tr_status status = path_of(directory, name, ".key", &path, error);
    if (status != TR_OK) return status;
    status = read_secret(path, &keys, error);
    if (status == TR_ENOENT) {
        status = make_secret(directory, path, name, random_bytes, context, error);
        /* Whoever was first, what is on disk now counts. */
        if (status == TR_OK || status == TR_EEXIST) status = read_secret(path, &keys, error);
    }
    if (status == TR_OK) status = publish(directory, name, &keys, error);
    if (status == TR_OK) *keys_out = keys;
    keys_wipe(&keys);
    mem_free(path);
    return status;
}

/* Names found in a directory, as they come. */
struct name_list {
    char **names;
    size_t count;
};

/* Collects the names before `.pub`, ordered. Hidden files are not keys. */
static tr_status collect_names(const char *directory, struct name_list *list, tr_error *error) {
    DIR *opened = opendir(directory);
    if (opened == NULL && errno == ENOENT) return TR_OK;
    if (opened == NULL) {
        return error_set(error, TR_EIO, NULL, "cannot list %s: %s", directory, strerror(errno));
    }
    for (struct dirent *entry = readdir(opened); entry != NULL; entry = readdir(opened)) {
        size_t bytes = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || bytes <= 4) continue;
        if (strcmp(entry->d_name + bytes - 4, ".pub") != 0) continue;
        list->names = mem_realloc_array(list->names, list->count + 1, sizeof(char *));
        list->names[list->count++] = mem_format("%.*s", (int)(bytes - 4), entry->d_name);
    }
    closedir(opened);
    return TR_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

tr_status keys_list(const char *directory, public_keys **list_out, size_t *count_out,
                    tr_error *error) {
    struct name_list names = {0};
    tr_status status = collect_names(directory, &names, error);
    if (names.count > 0) qsort(names.names, names.count, sizeof(char *), compare_names);
    public_keys *list = mem_zalloc(names.count, sizeof(public_keys));
    for (size_t i = 0; i < names.count; i++) {
        if (status == TR_OK) {
            status = keys_load_public(directory, names.names[i], &list[i], error);
        }
        mem_free(names.names[i]);
    }
    mem_free(names.names);
    if (status != TR_OK) {
        mem_free(list);
        return status;
    }
    *list_out = list;
    *count_out = names.count;
    return TR_OK;
}
