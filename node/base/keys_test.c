#include "node/base/keys.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/buffer.h"
#include "node/base/digest.h"
#include "node/base/file.h"
#include "node/base/hex.h"
#include "node/base/memory.h"
#include "node/base/random.h"

static char folder[] = "/tmp/troupe-keys-test-XXXXXX";

static void enter_folder(void) {
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void leave_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(keys, .timeout = 30, .init = enter_folder, .fini = leave_folder);

static void seeded(void *context, void *out, size_t bytes) {
    random_fill(context, out, bytes);
}

static key_pair load_or_make(const char *name, uint64_t seed) {
    random_state random;
    key_pair keys;
    tr_error error = {0};
    random_seed(&random, seed);
    cr_assert_eq(keys_load_or_make("keys", name, seeded, &random, &keys, &error), TR_OK, "%s",
                 error.message);
    return keys;
}

/* The pair that zmq_curve(7) prints for its example client: public key belongs to secret key. */
Test(keys, a_curve_pair_is_what_zeromq_takes) {
    uint8_t secret[KEYS_BYTES];
    uint8_t public_key[KEYS_BYTES];
    char text[KEYS_TEXT_BYTES];
    cr_assert(keys_parse("D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs", secret));
    cr_assert(keys_parse("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", public_key));
    keys_text(public_key, text);
    cr_assert_str_eq(text, "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");

    key_pair keys = load_or_make("n1", 1);
    memcpy(keys.curve_secret, secret, sizeof secret);
    memcpy(keys.curve_public, public_key, sizeof public_key);
    struct buffer content = {0};
    keys_text(keys.curve_public, text);
    buffer_append_format(&content, "curve_public = %s\n", text);
    keys_text(keys.curve_secret, text);
    buffer_append_format(&content, "curve_secret = %s\n", text);
    keys_text(keys.sign_public, text);
    buffer_append_format(&content, "sign_public = %s\n", text);
    keys_text(keys.sign_seed, text);
    buffer_append_format(&content, "sign_seed = %s\n", text);
    cr_assert_eq(file_write("keys/n2.key", content.data, content.bytes, 0600, NULL), TR_OK);
    tr_error error = {0};
    cr_assert_eq(keys_load("keys", "n2", &keys, &error), TR_OK, "%s", error.message);
    buffer_fini(&content);
}

/* ZeroMQ RFC 32's own example, repeated to the length of a key. */
Test(keys, text_is_z85) {
    uint8_t key[KEYS_BYTES];
    char text[KEYS_TEXT_BYTES];
    uint8_t back[KEYS_BYTES];
    for (size_t i = 0; i < 4; i++) cr_assert(hex_decode("864fd26fb559f75b", key + 8 * i, 8));
    keys_text(key, text);
    cr_assert_str_eq(text, "HelloWorldHelloWorldHelloWorldHelloWorld");
    cr_assert(keys_parse(text, back));
    cr_assert_arr_eq(back, key, KEYS_BYTES);
    memset(key, 0xff, sizeof key);
    keys_text(key, text);
    cr_assert(keys_parse(text, back));
    cr_assert_arr_eq(back, key, KEYS_BYTES);
}

Test(keys, a_text_that_is_no_key_is_refused) {
    static const char *const bad[] = {
        "",
        "HelloWorldHelloWorldHelloWorldHelloWorl",
        "HelloWorldHelloWorldHelloWorldHelloWorldx",
        "HelloWorldHelloWorldHelloWorldHello orld",
        "HelloWorldHelloWorldHelloWorldHello\xc3\xbcrl",
        "HelloWorldHelloWorldHelloWorldHelloW\"rld",
        "HelloWorldHelloWorldHelloWorldHello#####", /* above 2^32 */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t key[KEYS_BYTES] = {9};
        cr_assert_not(keys_parse(bad[i], key), "'%s' was taken", bad[i]);
        cr_assert_eq(key[0], 9);
    }
}

Test(keys, names_are_safe_in_a_path) {
    static const char *const bad[] = {"", ".", "..", "a/b", "-n1", "a b", "n\n", "n\xc3\xbc", ".n"};
    cr_assert(keys_name_valid("n1"));
    cr_assert(keys_name_valid("Node_7.example-org"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_not(keys_name_valid(bad[i]), "'%s' was taken", bad[i]);
        key_pair keys;
        tr_error error = {0};
        cr_assert_eq(keys_load("keys", bad[i], &keys, &error), TR_EINVAL);
    }
    char name[KEYS_NAME_BYTES + 1];
    memset(name, 'n', sizeof name);
    name[KEYS_NAME_BYTES] = '\0';
    cr_assert_not(keys_name_valid(name));
    name[KEYS_NAME_BYTES - 1] = '\0';
    cr_assert(keys_name_valid(name));
}

Test(keys, are_made_once_and_then_loaded) {
    key_pair first = load_or_make("n1", 1);
    key_pair again = load_or_make("n1", 2);
    key_pair other = load_or_make("n2", 3);
    cr_assert_eq(memcmp(&first, &again, sizeof first), 0);
    cr_assert_neq(memcmp(first.curve_public, other.curve_public, KEYS_BYTES), 0);
    cr_assert_neq(memcmp(first.curve_secret, first.sign_seed, KEYS_BYTES), 0);
}

Test(keys, files_have_their_modes) {
    struct stat info;
    load_or_make("n1", 1);
    cr_assert_eq(stat("keys", &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0700u);
    cr_assert_eq(stat("keys/n1.key", &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0600u);
    cr_assert_eq(stat("keys/n1.pub", &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0644u);
}

Test(keys, the_public_file_holds_no_secret) {
    struct buffer content = {0};
    char text[KEYS_TEXT_BYTES];
    key_pair keys = load_or_make("n1", 1);
    cr_assert_eq(file_read("keys/n1.pub", 4096, &content, NULL), TR_OK);
    keys_text(keys.curve_secret, text);
    cr_assert_null(strstr(buffer_text(&content), text));
    keys_text(keys.sign_seed, text);
    cr_assert_null(strstr(buffer_text(&content), text));
    keys_text(keys.curve_public, text);
    cr_assert_not_null(strstr(buffer_text(&content), text));
    buffer_fini(&content);
}

Test(keys, a_missing_public_file_is_written_again) {
    public_keys published;
    key_pair keys = load_or_make("n1", 1);
    cr_assert_eq(unlink("keys/n1.pub"), 0);
    load_or_make("n1", 2);
    cr_assert_eq(keys_load_public("keys", "n1", &published, NULL), TR_OK);
    cr_assert_str_eq(published.name, "n1");
    cr_assert_arr_eq(published.curve, keys.curve_public, KEYS_BYTES);
    cr_assert_arr_eq(published.sign, keys.sign_public, KEYS_BYTES);
}

Test(keys, a_public_file_of_other_keys_is_refused) {
    random_state random;
    key_pair keys;
    tr_error error = {0};
    load_or_make("n1", 1);
    load_or_make("n2", 2);
    cr_assert_eq(rename("keys/n2.pub", "keys/n1.pub"), 0);
    random_seed(&random, 3);
    cr_assert_eq(keys_load_or_make("keys", "n1", seeded, &random, &keys, &error), TR_EDATA);
    cr_assert_not_null(strstr(error.message, "keys/n1.pub"));
    cr_assert_not_null(strstr(error.hint, "rm keys/n1.pub"));
}

Test(keys, a_key_file_that_others_may_read_is_refused) {
    key_pair keys;
    tr_error error = {0};
    load_or_make("n1", 1);
    cr_assert_eq(chmod("keys/n1.key", 0640), 0);
    cr_assert_eq(keys_load("keys", "n1", &keys, &error), TR_EREFUSED);
    cr_assert_not_null(strstr(error.message, "keys/n1.key"));
    cr_assert_str_eq(error.hint, "chmod 600 keys/n1.key");
}

/* Each byte of a key file matters: whatever is changed, the file is refused or says the same. */
Test(keys, a_changed_key_file_is_never_taken_for_other_keys) {
    struct buffer content = {0};
    key_pair keys = load_or_make("n1", 1);
    cr_assert_eq(file_read("keys/n1.key", 4096, &content, NULL), TR_OK);
    size_t refused = 0;
    for (size_t i = 0; i < content.bytes; i++) {
        key_pair found;
        content.data[i] ^= 2;
        FILE *file = fopen("keys/n1.key", "w");
        fwrite(content.data, 1, content.bytes, file);
        fclose(file);
        content.data[i] ^= 2;
        tr_status status = keys_load("keys", "n1", &found, NULL);
        if (status == TR_OK) cr_assert_eq(memcmp(&found, &keys, sizeof keys), 0, "byte %zu", i);
        refused += status == TR_EDATA;
    }
    cr_assert_gt(refused, 4 * (size_t)(KEYS_TEXT_BYTES - 1) - 8);
    buffer_fini(&content);
}

Test(keys, errors_in_a_file_name_the_line) {
    static const struct {
        const char *content;
        const char *expected;
    } bad[] = {
        {"curve_public HelloWorld", "line 1: not of the form"},
        {"# comment\n\nother = HelloWorld", "line 3: unknown key"},
        {"sign_public = HelloWorld", "line 1: the value is not 40"},
        {"", "'curve_public' is missing"},
        {"curve_public = HelloWorldHelloWorldHelloWorldHelloWorld\n", "'sign_public' is missing"},
        {"sign_public = HelloWorldHelloWorldHelloWorldHelloWorld\n"
         "sign_public = HelloWorldHelloWorldHelloWorldHelloWorld\n",
         "line 2: this key stands here twice"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        public_keys keys;
        tr_error error = {0};
        cr_assert_eq(file_write("n1.pub", bad[i].content, strlen(bad[i].content), 0644, NULL),
                     TR_OK);
        cr_assert_eq(keys_load_public(".", "n1", &keys, &error), TR_EDATA);
        cr_assert_not_null(strstr(error.message, bad[i].expected), "%s", error.message);
        cr_assert_not_null(strstr(error.message, "./n1.pub"));
    }
    cr_assert_eq(file_write("n1.pub", "a\0b", 3, 0644, NULL), TR_OK);
    cr_assert_eq(keys_load_public(".", "n1", &(public_keys){0}, NULL), TR_EDATA);
}

Test(keys, list_is_ordered_by_name_and_skips_what_is_no_public_file) {
    static const char *const names[] = {"n3", "n10", "n1", "n2"};
    public_keys *list;
    size_t count;
    for (size_t i = 0; i < 4; i++) load_or_make(names[i], i);
    cr_assert_eq(file_write("keys/.hidden.pub", "x", 1, 0644, NULL), TR_OK);
    cr_assert_eq(file_write("keys/notes.txt", "x", 1, 0644, NULL), TR_OK);
    cr_assert_eq(keys_list("keys", &list, &count, NULL), TR_OK);
    cr_assert_eq(count, 4u);
    cr_assert_str_eq(list[0].name, "n1");
    cr_assert_str_eq(list[1].name, "n10");
    cr_assert_str_eq(list[2].name, "n2");
    cr_assert_str_eq(list[3].name, "n3");
    mem_free(list);
}

Test(keys, list_of_no_directory_is_empty) {
    public_keys *list;
    size_t count = 9;
    cr_assert_eq(keys_list("absent", &list, &count, NULL), TR_OK);
    cr_assert_eq(count, 0u);
    mem_free(list);
}

Test(keys, list_names_the_file_that_is_wrong) {
    public_keys *list = NULL;
    size_t count;
    tr_error error = {0};
    load_or_make("n1", 1);
    cr_assert_eq(file_write("keys/n2.pub", "rubbish", 7, 0644, NULL), TR_OK);
    cr_assert_eq(keys_list("keys", &list, &count, &error), TR_EDATA);
    cr_assert_not_null(strstr(error.message, "keys/n2.pub"));
    cr_assert_null(list);
}

/* Exits with 0 when the process got keys, after writing which to a file of its own. */
static void make_in_child(unsigned number) {
    random_state random;
    key_pair keys;
    char path[32];
    random_seed(&random, number);
    snprintf(path, sizeof path, "got-%u", number);
    if (keys_load_or_make("keys", "n1", seeded, &random, &keys, NULL) != TR_OK) _exit(1);
    if (file_write(path, &keys, sizeof keys, 0600, NULL) != TR_OK) _exit(2);
    _exit(0);
}

/* `troupe up` starts several programs over one folder at once. */
Test(keys, processes_that_make_the_same_key_at_once_all_get_the_same) {
    enum { PROCESSES = 8 };
    pid_t children[PROCESSES];
    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        cr_assert_geq(children[i], 0);
        if (children[i] == 0) make_in_child(i);
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status;
        cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
        cr_assert_eq(status, 0);
    }
    key_pair keys = load_or_make("n1", 100);
    for (unsigned i = 0; i < PROCESSES; i++) {
        char path[32];
        struct buffer content = {0};
        snprintf(path, sizeof path, "got-%u", i);
        cr_assert_eq(file_read(path, 1000, &content, NULL), TR_OK);
        cr_assert_eq(content.bytes, sizeof keys);
        cr_assert_eq(memcmp(content.data, &keys, sizeof keys), 0);
        buffer_fini(&content);
    }
}
