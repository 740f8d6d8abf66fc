/*
 * daemon_files_test.c - what a daemon leaves in its folder, and who may find it there.
 */
#include "node/cli/daemon_files.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/memory.h"
#include "node/cli/process.h"
#include "node/cli/scratch_folder.h"

TestSuite(daemon_files, .timeout = 10);

static char folder[SCRATCH_FOLDER_BYTES];
static char reason[DAEMON_REASON_BYTES];

static const struct daemon_card card = {.name = "n1",
                                        .cluster = "a \"quoted\"\ncluster\\",
                                        .endpoint = "tcp://127.0.0.1:7101",
                                        .control = "tcp://127.0.0.1:7102"};

Test(daemon_files, the_card_is_json_and_tells_this_process) {
    struct process self, told = {0};
    scratch_folder_make(folder);
    cr_assert(daemon_card_write(folder, &card, reason), "%s", reason);
    char *path = mem_format("%s/node.json", folder);
    json_t *read = json_load_file(path, 0, NULL);
    cr_assert_not_null(read);
    cr_assert_str_eq(json_string_value(json_object_get(read, "cluster")), card.cluster);
    cr_assert_str_eq(json_string_value(json_object_get(read, "control")), card.control);
    cr_assert_str_eq(json_string_value(json_object_get(read, "security")), "curve");
    cr_assert(process_of(getpid(), &self));
    told.pid = (pid_t)json_integer_value(json_object_get(read, "pid"));
    told.start = (uint64_t)json_integer_value(json_object_get(read, "start"));
    snprintf(told.boot, sizeof told.boot, "%s", json_string_value(json_object_get(read, "boot")));
    int fd = process_open(&told);
    cr_assert_geq(fd, 0, "the card leads to this very process");
    close(fd);
    daemon_card_remove(folder);
    cr_assert_neq(access(path, F_OK), 0);
    daemon_card_remove(folder);
    json_decref(read);
    mem_free(path);
    scratch_folder_remove(folder);
}

Test(daemon_files, a_second_node_is_kept_out_of_a_folder) {
    scratch_folder_make(folder);
    char *nested = mem_format("%s/nodes/n1", folder);
    int lock = daemon_lock(nested, reason);
    cr_assert_geq(lock, 0, "%s", reason);
    cr_assert_eq(daemon_lock(nested, reason), -1);
    cr_assert_not_null(strstr(reason, "another node runs"), "%s", reason);
    close(lock);
    lock = daemon_lock(nested, reason);
    cr_assert_geq(lock, 0, "%s", reason);
    close(lock);
    mem_free(nested);
    scratch_folder_remove(folder);
}

Test(daemon_files, a_folder_that_cannot_be_made_is_named) {
    cr_assert_eq(daemon_lock("/proc/nonexistent/n1", reason), -1);
    cr_assert_not_null(strstr(reason, "/proc/nonexistent"), "%s", reason);
    cr_assert_not(daemon_card_write("/nonexistent", &card, reason));
    cr_assert_not(daemon_pid_write("/nonexistent/pid", reason));
}

Test(daemon_files, ready_tells_where_and_then_up) {
    int ends[2];
    char text[1024];
    cr_assert_eq(pipe(ends), 0);
    daemon_ready_bound(ends[1], &card);
    ssize_t bytes = read(ends[0], text, sizeof text);
    json_error_t error;
    json_t *told = json_loadb(text, (size_t)bytes, 0, &error);
    cr_assert_not_null(told, "%s", error.text);
    cr_assert_str_eq(json_string_value(json_object_get(told, "endpoint")), card.endpoint);
    cr_assert_eq(json_integer_value(json_object_get(told, "pid")), getpid());
    cr_assert_eq(text[bytes - 1], '\n');
    daemon_ready_up(ends[1]);
    cr_assert_eq(read(ends[0], text, sizeof text), 3);
    cr_assert_eq(memcmp(text, "up\n", 3), 0);
    json_decref(told);
}
