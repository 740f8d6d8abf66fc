/*
 * node_config_test.c - what `troupe up` writes, the daemon reads.
 */
#include "node/cli/node_config.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/cli/daemon_settings.h"
#include "node/cli/scratch_folder.h"

TestSuite(node_config, .timeout = 10);

static struct failure failure;

static tr_status write_config(const char *dir, const char *load, const char *setting) {
    struct folder folder = {.path = (char *)dir,
                            .keys = mem_format("%s/keys", dir),
                            .snapshots = mem_format("%s/snapshots", dir),
                            .cluster = (char *)"bank",
                            .insecure = true};
    struct node_config config = {.name = "n2",
                                 .port = 7103,
                                 .control_port = 7104,
                                 .workers = 2,
                                 .loads = &load,
                                 .load_count = 1,
                                 .settings = &setting,
                                 .setting_count = setting == NULL ? 0 : 1};
    tr_status status = node_config_write(&folder, &config, &failure);
    mem_free(folder.keys);
    mem_free(folder.snapshots);
    return status;
}

Test(node_config, the_daemon_reads_what_was_written) {
    char dir[SCRATCH_FOLDER_BYTES], error[DAEMON_ERROR_BYTES];
    struct daemon_settings settings = {0};
    scratch_folder_make(dir);
    cr_assert_eq(write_config(dir, "/a path/with#odd=signs;.so", "mailbox-high=12"), TR_OK, "%s",
                 failure.error.message);
    char *file = mem_format("%s/nodes/n2/trouped.ini", dir), *path = mem_format("%s/nodes/n2", dir);
    cr_assert(daemon_settings_read_file(&settings, file, error), "%s", error);
    cr_assert_str_eq(settings.name, "n2");
    cr_assert_str_eq(settings.cluster, "bank");
    cr_assert_str_eq(settings.dir, path);
    cr_assert_str_eq(settings.listen, "tcp://127.0.0.1:7103");
    cr_assert_str_eq(settings.control, "tcp://127.0.0.1:7104");
    cr_assert_eq(settings.loads.count, 1);
    cr_assert_str_eq(settings.loads.items[0], "/a path/with#odd=signs;.so");
    cr_assert_eq(settings.workers, 2);
    cr_assert_eq(settings.mailbox_high, 12);
    cr_assert(settings.insecure);
    daemon_settings_fini(&settings);
    mem_free(file);
    mem_free(path);
    scratch_folder_remove(dir);
}

Test(node_config, values_that_a_file_cannot_hold_are_refused) {
    char dir[SCRATCH_FOLDER_BYTES];
    scratch_folder_make(dir);
    cr_expect_eq(write_config(dir, "/a/b ;c.so", NULL), TR_EINVAL);
    cr_expect_eq(write_config(dir, "/a/b\nname = n7.so", NULL), TR_EINVAL);
    cr_expect_eq(write_config(dir, "/a.so", "mailbox-high"), TR_EINVAL);
    cr_expect_eq(write_config(dir, "/a.so", "=3"), TR_EINVAL);
    cr_expect_eq(write_config(dir, "/a.so", "log-level="), TR_EINVAL);
    scratch_folder_remove(dir);
}
