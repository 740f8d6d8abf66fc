/*
 * daemon_settings_test.c - where a setting's value comes from, and what is refused.
 */
#include "node/cli/daemon_settings.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(daemon_settings, .timeout = 10);

static char error[DAEMON_ERROR_BYTES];

/* Loads settings from flags (ended by NULL) and a file's text (NULL: no file). */
static int load(struct daemon_settings *settings, const char *file, const char *const *flags) {
    char path[] = "/tmp/troupe_settings_XXXXXX";
    char *argv[16] = {(char *)"trouped"};
    int argc = 1;
    for (; *flags != NULL; flags++) argv[argc++] = (char *)*flags;
    if (file != NULL) {
        int fd = mkstemp(path);
        cr_assert_eq(write(fd, file, strlen(file)), (ssize_t)strlen(file));
        close(fd);
        argv[argc++] = (char *)"--config";
        argv[argc++] = path;
    }
    int code = daemon_settings_load(argc, argv, settings, error);
    if (file != NULL) unlink(path);
    return code;
}

#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_FLAGS ((const char *const[]){NULL})

Test(daemon_settings, a_flag_beats_the_environment_beats_the_file_beats_the_default) {
    struct daemon_settings settings;
    setenv("TROUPED_LISTEN", "tcp://127.0.0.1:2", 1);
    setenv("TROUPED_WORKERS", "2", 1);
    cr_assert_eq(
        load(&settings, "listen = tcp://127.0.0.1:1\nworkers = 1\ncontrol = tcp://127.0.0.1:1\n",
             FLAGS("--listen", "tcp://127.0.0.1:3", "--dir", "/tmp/x")),
        0, "%s", error);
    cr_assert_str_eq(settings.listen, "tcp://127.0.0.1:3");
    cr_assert_eq(settings.workers, 2);
    cr_assert_str_eq(settings.control, "tcp://127.0.0.1:1");
    cr_assert_str_eq(settings.name, "n1");
    daemon_settings_fini(&settings);
}

Test(daemon_settings, a_stronger_list_replaces_a_weaker_one) {
    struct daemon_settings settings;
    setenv("TROUPED_LOAD", "c.so:d.so", 1);
    cr_assert_eq(
        load(&settings,
             "[node]\nload = a.so\nload = b.so\nseed = n1@tcp://h:1\nseed = n2@tcp://h:2\n",
             FLAGS("--load", "e.so", "--load=f.so", "--dir", "/tmp/x")),
        0, "%s", error);
    cr_assert_eq(settings.loads.count, 2);
    cr_assert_str_eq(settings.loads.items[0], "e.so");
    cr_assert_str_eq(settings.loads.items[1], "f.so");
    cr_assert_null(settings.loads.items[2]);
    cr_assert_eq(settings.seeds.count, 2);
    cr_assert_str_eq(settings.seeds.items[1], "n2@tcp://h:2");
    daemon_settings_fini(&settings);
}

Test(daemon_settings, an_unknown_key_is_refused_with_its_line_and_the_nearest_key) {
    struct daemon_settings settings;
    cr_assert_eq(
        load(&settings, "# a comment\nname = n4\n\nlisten_on = tcp://127.0.0.1:1\nliste = x\n",
             FLAGS("--dir", "/tmp/x")),
        78);
    cr_assert_not_null(strstr(error, ":4: unknown key `listen_on`"), "%s", error);
    daemon_settings_fini(&settings);
    cr_assert_eq(load(&settings, "lisetn = tcp://127.0.0.1:1\n", NO_FLAGS), 78);
    cr_assert_not_null(strstr(error, ":1: unknown key `lisetn`; did you mean `listen`?"), "%s",
                       error);
    daemon_settings_fini(&settings);
}

Test(daemon_settings, a_value_that_does_not_fit_is_refused_with_its_place) {
    static const struct {
        const char *file, *expected;
    } cases[] = {
        {"workers = many\n", ":1: workers: `many` is no whole number up to 1024"},
        {"workers = 1025\n", ":1: workers:"},
        {"suspect-after = 3 parsecs\n", ":1: suspect-after:"},
        {"log-level = loud\n", "is none of debug|info|warn|error"},
        {"log-level = deb\n", "is none of"},
        {"insecure = perhaps\n", "is neither yes nor no"},
        {"name =\n", ":1: name: the value is empty"},
        {"\n\nnothing here\n", ":3: neither `key = value`"},
        {"[mailbox]\nhigh = 3\n", ":2: unknown section [mailbox]"},
        {"config = other.ini\n", "cannot name another one"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct daemon_settings settings;
        cr_expect_eq(load(&settings, cases[i].file, FLAGS("--dir", "/tmp/x")), 78, "%s",
                     cases[i].file);
        cr_expect_not_null(strstr(error, cases[i].expected), "%s", error);
        daemon_settings_fini(&settings);
    }
}

Test(daemon_settings, a_bad_variable_is_named) {
    struct daemon_settings settings;
    setenv("TROUPED_MAILBOX_HIGH", "-3", 1);
    cr_assert_eq(load(&settings, NULL, FLAGS("--dir", "/tmp/x")), 78);
    cr_assert_not_null(strstr(error, "$TROUPED_MAILBOX_HIGH: mailbox-high:"), "%s", error);
    daemon_settings_fini(&settings);
}

Test(daemon_settings, without_a_folder_it_is_where_the_control_program_looks) {
    struct daemon_settings settings;
    setenv("XDG_STATE_HOME", "/tmp/state", 1);
    cr_assert_eq(load(&settings, NULL, FLAGS("--name", "n7", "--cluster", "bank")), 0, "%s", error);
    cr_assert_str_eq(settings.dir, "/tmp/state/troupe/bank/nodes/n7");
    cr_assert_str_eq(settings.keys, "/tmp/state/troupe/bank/keys");
    cr_assert_str_eq(settings.snapshots, "/tmp/state/troupe/bank/snapshots");
    daemon_settings_fini(&settings);
}

Test(daemon_settings, long_lines_are_read_up_to_their_limit_and_refused_beyond) {
    struct daemon_settings settings;
    char file[6000];
    memset(file, 0, sizeof file);
    memcpy(file, "load = /", 8);
    memset(file + 8, 'a', 3000);
    cr_assert_eq(load(&settings, file, FLAGS("--dir", "/tmp/x")), 0, "%s", error);
    cr_assert_eq(strlen(settings.loads.items[0]), 3001);
    daemon_settings_fini(&settings);
    memset(file + 8, 'a', 5000);
    cr_assert_eq(load(&settings, file, FLAGS("--dir", "/tmp/x")), 78);
    cr_assert_not_null(strstr(error, ":1: the line is too long"), "%s", error);
    daemon_settings_fini(&settings);
}
