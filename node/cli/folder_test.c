/*
 * folder_test.c - which folder is meant, and which nodes are in it.
 */
#include "node/cli/folder.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/memory.h"
#include "node/cli/grammar.h"
#include "node/cli/scratch_folder.h"

TestSuite(folder, .timeout = 10);

static struct folder folder;
static struct failure failure;
static struct args *args;

static tr_status open_with(const char *flag, const char *value, const char *cluster) {
    static char *argv[5];
    tr_error error;
    int argc = 0;
    argv[argc++] = (char *)"troupe";
    argv[argc++] = (char *)"status";
    if (flag != NULL) argv[argc++] = (char *)flag;
    if (flag != NULL) argv[argc++] = (char *)value;
    cr_assert_eq(args_parse(grammar_troupe(), argc, argv, &args, &error), TR_OK);
    return folder_open(&folder, args, cluster, &failure);
}

static void done(void) {
    folder_close(&folder);
    args_free(args);
}

static void write_text(const char *path, const char *text) {
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out, "%s", path);
    fputs(text, out);
    fclose(out);
}

static void clear_environment(void) {
    unsetenv("TROUPE_DIR");
    unsetenv("TROUPE_CLUSTER");
    unsetenv("TROUPE_KEYS");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/home/ada", 1);
}

Test(folder, is_named_by_flag_then_variable_then_state_home_then_home) {
    clear_environment();
    cr_assert_eq(open_with(NULL, NULL, NULL), TR_OK);
    cr_assert_str_eq(folder.path, "/home/ada/.local/state/troupe/troupe");
    cr_assert_not(folder.exists);
    done();
    setenv("XDG_STATE_HOME", "/var/state", 1);
    cr_assert_eq(open_with(NULL, NULL, "bank"), TR_OK);
    cr_assert_str_eq(folder.path, "/var/state/troupe/bank");
    cr_assert_str_eq(folder.cluster, "bank");
    done();
    setenv("TROUPE_DIR", "/srv/a", 1);
    cr_assert_eq(open_with(NULL, NULL, NULL), TR_OK);
    cr_assert_str_eq(folder.path, "/srv/a");
    done();
    cr_assert_eq(open_with("--dir", "/srv/b", NULL), TR_OK);
    cr_assert_str_eq(folder.path, "/srv/b");
    cr_assert_str_eq(folder.keys, "/srv/b/keys");
    cr_assert_str_eq(folder.snapshots, "/srv/b/snapshots");
    done();
}

Test(folder, without_any_home_is_a_configuration_error) {
    clear_environment();
    unsetenv("HOME");
    cr_assert_eq(open_with(NULL, NULL, NULL), TR_ECONFIG);
    done();
}

Test(folder, what_was_saved_is_read_again) {
    char path[SCRATCH_FOLDER_BYTES];
    clear_environment();
    scratch_folder_make(path);
    cr_assert_eq(open_with("--dir", path, "bank"), TR_OK);
    folder.insecure = true;
    cr_assert_eq(folder_save(&folder, &failure), TR_OK);
    done();
    cr_assert_eq(open_with("--dir", path, NULL), TR_OK);
    cr_assert(folder.exists);
    cr_assert(folder.insecure);
    cr_assert_str_eq(folder.cluster, "bank");
    done();
    scratch_folder_remove(path);
}

Test(folder, a_damaged_description_is_bad_data) {
    char path[SCRATCH_FOLDER_BYTES];
    clear_environment();
    scratch_folder_make(path);
    char *file = mem_format("%s/cluster.json", path);
    write_text(file, "{\"name\": \"bank\"");
    cr_assert_eq(open_with("--dir", path, NULL), TR_EDATA);
    cr_assert_not_null(strstr(failure.error.message, "cluster.json"));
    mem_free(file);
    done();
    scratch_folder_remove(path);
}

static void add_card(const char *path, const char *name, pid_t pid, uint64_t start,
                     const char *boot) {
    char *node = mem_format("%s/nodes/%s", path, name), *card = mem_format("%s/node.json", node);
    cr_assert_eq(mkdir(node, 0700), 0);
    char *text = mem_format(
        "{\"name\": \"%s\", \"endpoint\": \"tcp://h:1\", \"control\": \"tcp://h:2\", \"security\": "
        "\"none\","
        "\"pid\": %ld, \"start\": %" PRIu64 ", \"boot\": \"%s\"}",
        name, (long)pid, start, boot);
    write_text(card, text);
    mem_free(text);
    mem_free(card);
    mem_free(node);
}

Test(folder, nodes_are_listed_by_number_and_a_recycled_pid_does_not_run) {
    char path[SCRATCH_FOLDER_BYTES];
    struct process self;
    struct local_nodes nodes;
    clear_environment();
    scratch_folder_make(path);
    cr_assert(process_of(getpid(), &self));
    cr_assert_eq(open_with("--dir", path, NULL), TR_OK);
    cr_assert_eq(folder_save(&folder, &failure), TR_OK);
    add_card(path, "n10", self.pid, self.start, self.boot);
    add_card(path, "n2", self.pid, self.start + 1, self.boot);
    add_card(path, "n1", 0, 0, "");
    folder_nodes(&folder, &nodes);
    cr_assert_eq(nodes.count, 3);
    cr_assert_str_eq(nodes.items[0].name, "n1");
    cr_assert_str_eq(nodes.items[1].name, "n2");
    cr_assert_str_eq(nodes.items[2].name, "n10");
    cr_assert_not(nodes.items[0].running);
    cr_assert_not(nodes.items[1].running);
    cr_assert(nodes.items[2].running);
    cr_assert_str_eq(nodes.items[2].control, "tcp://h:2");
    cr_assert_eq(local_nodes_running(&nodes), 1);
    cr_assert_null(local_nodes_find(&nodes, "n3"));
    local_nodes_free(&nodes);
    done();
    scratch_folder_remove(path);
}

Test(folder, a_lone_daemons_folder_is_a_cluster_of_one) {
    char path[SCRATCH_FOLDER_BYTES];
    struct local_nodes nodes;
    clear_environment();
    scratch_folder_make(path);
    char *file = mem_format("%s/node.json", path);
    write_text(file,
               "{\"name\": \"solo\", \"cluster\": \"bank\", \"endpoint\": \"tcp://h:1\", "
               "\"control\": \"tcp://h:2\","
               "\"security\": \"curve\", \"pid\": 1, \"start\": 0, \"boot\": \"\"}");
    cr_assert_eq(open_with("--dir", path, NULL), TR_OK);
    cr_assert(folder.exists);
    cr_assert_str_eq(folder.cluster, "bank");
    folder_nodes(&folder, &nodes);
    cr_assert_eq(nodes.count, 1);
    cr_assert_str_eq(nodes.items[0].name, "solo");
    cr_assert_not(nodes.items[0].insecure);
    local_nodes_free(&nodes);
    mem_free(file);
    done();
    scratch_folder_remove(path);
}

Test(folder, names_compare_by_their_numbers) {
    cr_assert_lt(folder_compare_names("n2", "n10"), 0);
    cr_assert_gt(folder_compare_names("n10", "n9"), 0);
    cr_assert_eq(folder_compare_names("n7", "n7"), 0);
    cr_assert_lt(folder_compare_names("a", "b"), 0);
    cr_assert_lt(folder_compare_names("n", "n1"), 0);
    cr_assert_neq(folder_compare_names("n1", "n01"), 0);
    cr_assert_lt(folder_compare_names("a1b2", "a1b10"), 0);
}
