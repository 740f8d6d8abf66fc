#include "node/base/file.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/memory.h"

static char folder[] = "/tmp/troupe-file-test-XXXXXX";

/* Each test runs in its own process, in its own empty folder. */
static void enter_folder(void) {
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void leave_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(file, .timeout = 30, .init = enter_folder, .fini = leave_folder);

static void expect_content(const char *path, const char *expected) {
    struct buffer content = {0};
    cr_assert_eq(file_read(path, 1000, &content, NULL), TR_OK);
    cr_assert_str_eq(buffer_text(&content), expected);
    buffer_fini(&content);
}

static size_t entries_here(void) {
    size_t count = 0;
    DIR *directory = opendir(".");
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count - 2;
}

Test(file, write_makes_and_replaces_and_leaves_nothing_else) {
    struct stat info;
    cr_assert_eq(file_write("a", "first", 5, 0600, NULL), TR_OK);
    cr_assert_eq(stat("a", &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0600u);
    expect_content("a", "first");
    cr_assert_eq(file_write("a", "second", 6, 0644, NULL), TR_OK);
    cr_assert_eq(stat("a", &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0644u);
    expect_content("a", "second");
    cr_assert_eq(entries_here(), 1u);
}

Test(file, create_never_replaces) {
    tr_error error = {0};
    cr_assert_eq(file_create("a", "first", 5, 0600, &error), TR_OK);
    cr_assert_eq(file_create("a", "second", 6, 0600, &error), TR_EEXIST);
    cr_assert_not_null(strstr(error.message, "a"));
    expect_content("a", "first");
    cr_assert_eq(entries_here(), 1u);
}

Test(file, read_appends_and_keeps_to_the_limit) {
    struct buffer content = {0};
    tr_error error = {0};
    char big[10000];
    memset(big, 'x', sizeof big);
    cr_assert_eq(file_write("a", big, sizeof big, 0600, NULL), TR_OK);
    buffer_append_text(&content, "before");
    cr_assert_eq(file_read("a", sizeof big - 1, &content, &error), TR_ETOOBIG);
    cr_assert_str_eq(buffer_text(&content), "before");
    cr_assert_not_null(strstr(error.message, "9999"));
    cr_assert_eq(file_read("a", sizeof big, &content, &error), TR_OK);
    cr_assert_eq(content.bytes, 6 + sizeof big);
    buffer_fini(&content);
}

Test(file, what_cannot_be_read_is_named) {
    struct buffer content = {0};
    tr_error error = {0};
    cr_assert_eq(file_read("absent", 10, &content, &error), TR_ENOENT);
    cr_assert_str_eq(error.message, "cannot open absent: No such file or directory");
    cr_assert_eq(file_read(".", 10, &content, &error), TR_EDATA);
    cr_assert_eq(mkfifo("pipe", 0600), 0);
    cr_assert_eq(file_read("pipe", 10, &content, &error), TR_EDATA, "and does not wait");
    cr_assert_eq(content.bytes, 0u);
    buffer_fini(&content);
}

Test(file, a_secret_that_others_may_use_is_refused) {
    struct buffer content = {0};
    static const mode_t bad[] = {0640, 0604, 0660, 0601, 0610};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tr_error error = {0};
        cr_assert_eq(file_write("secret", "x", 1, bad[i], NULL), TR_OK);
        cr_assert_eq(file_read_private("secret", 10, &content, &error), TR_EREFUSED);
        cr_assert_str_eq(error.hint, "chmod 600 secret");
    }
    cr_assert_eq(file_write("secret", "x", 1, 0400, NULL), TR_OK);
    cr_assert_eq(file_read_private("secret", 10, &content, NULL), TR_OK);
    cr_assert_str_eq(buffer_text(&content), "x");
    buffer_fini(&content);
}

Test(file, write_into_no_directory_fails_and_says_where) {
    tr_error error = {0};
    cr_assert_eq(file_write("none/a", "x", 1, 0600, &error), TR_ENOENT);
    cr_assert_not_null(strstr(error.message, "none/a"));
}

Test(file, directories_are_made_with_those_above) {
    struct stat info;
    char *absolute = mem_format("%s/d/e//f/", folder);
    cr_assert_eq(file_make_directory("a/b/c", 0700, NULL), TR_OK);
    cr_assert_eq(stat("a/b/c", &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0700u);
    cr_assert_eq(file_make_directory("a/b/c", 0700, NULL), TR_OK);
    cr_assert_eq(file_make_directory(absolute, 0700, NULL), TR_OK);
    cr_assert_eq(stat("d/e/f", &info), 0);
    mem_free(absolute);
}

Test(file, a_directory_where_a_file_is_fails) {
    tr_error error = {0};
    cr_assert_eq(file_write("a", "x", 1, 0600, NULL), TR_OK);
    cr_assert_neq(file_make_directory("a", 0700, &error), TR_OK);
    cr_assert_neq(file_make_directory("a/b", 0700, &error), TR_OK);
    cr_assert_not_null(strstr(error.message, "a"));
    expect_content("a", "x");
}
