/*
 * snapshot_checker_test.c - the checker in Python reads what the node writes, and refuses the rest.
 *
 * cluster-tests/check_snapshot.py shares nothing with the node but SNAPSHOT.md: that both agree,
 * on sound snapshots and on bad ones, says that the file describes the format.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/memory.h"
#include "node/snapshot_sample_test.h"
#include "node/snapshot_verify.h"

TestSuite(snapshot_checker, .timeout = 120);

#define CHECKER "cluster-tests/check_snapshot.py"

struct place {
    char directory[64];
    char answer[4096]; /* of the last run */
};

static void make_place(struct place *place) {
    snprintf(place->directory, sizeof place->directory, "/tmp/troupe-checker-XXXXXX");
    cr_assert_not_null(mkdtemp(place->directory));
}

static void remove_place(const struct place *place) {
    char *command = mem_format("rm -r %s", place->directory);
    cr_assert_eq(system(command), 0);
    mem_free(command);
}

/* Runs the checker on snapshot s1-n1 with more arguments; its exit code. */
static int run_checker(struct place *place, const char *arguments) {
    char *command =
        mem_format("/usr/bin/python3 " CHECKER " %s/s1-n1 %s", place->directory, arguments);
    FILE *output = popen(command, "r");
    cr_assert_not_null(output);
    size_t bytes = fread(place->answer, 1, sizeof place->answer - 1, output);
    place->answer[bytes] = '\0';
    int status = pclose(output);
    mem_free(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void take(struct place *place, enum sample_fault fault, unsigned nodes, unsigned extra) {
    struct sample sample;
    storage_files files = storage_system();
    sample_init(&sample, &files, place->directory);
    sample.fault = fault;
    sample.rich = true;
    sample.nodes = nodes;
    sample.extra_actors = extra;
    cr_assert(sample_take(&sample, "s1-n1", 0x20000));
    sample_fini(&sample);
}

/* Flips one bit of a file of the snapshot. */
static void flip(const struct place *place, const char *name, long at) {
    char *path = mem_format("%s/s1-n1/%s", place->directory, name);
    FILE *file = fopen(path, "r+b");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    cr_assert_eq(fseek(file, at, SEEK_SET), 0);
    fputc(byte ^ 0x10, file);
    fclose(file);
    mem_free(path);
}

Test(snapshot_checker, a_sound_snapshot_of_three_nodes_and_several_digests_passes_with_its_sum) {
    struct place place;
    if (access(CHECKER, R_OK) != 0) cr_skip_test("run from the root of the repository");
    make_place(&place);
    take(&place, SAMPLE_SOUND, 3, 40000);
    cr_assert_eq(run_checker(&place, "--sum sample_account.cents sample_deposit.cents"), 0, "%s",
                 place.answer);
    cr_assert(strstr(place.answer, "\"actors\": 40007, \"in_flight\": 9") != NULL, "%s",
              place.answer);
    cr_assert(strstr(place.answer, "\"recorded_on_links\": 6, \"dead_letters\": 3") != NULL, "%s",
              place.answer);
    /* 6 accounts with 12,009 cents, 40,000 more from 2,000 cents up; 9 deposits. */
    cr_assert(strstr(place.answer,
                     "\"total\": 879993827, \"actors\": 879992009, "
                     "\"in_flight\": 1818") != NULL,
              "%s", place.answer);
    remove_place(&place);
}

Test(snapshot_checker, what_verify_refuses_the_checker_refuses_too) {
    struct place place;
    if (access(CHECKER, R_OK) != 0) cr_skip_test("run from the root of the repository");
    for (int fault = SAMPLE_ACTOR_TWICE; fault <= SAMPLE_RECORD_UNKNOWN; fault++) {
        make_place(&place);
        take(&place, (enum sample_fault)fault, 2, 0);
        cr_assert_eq(run_checker(&place, ""), 1, "fault %d: %s", fault, place.answer);
        cr_assert(strstr(place.answer, "\"ok\": false") != NULL);
        remove_place(&place);
    }
}

Test(snapshot_checker, damage_in_any_file_is_found) {
    struct place place;
    if (access(CHECKER, R_OK) != 0) cr_skip_test("run from the root of the repository");
    make_place(&place);
    take(&place, SAMPLE_SOUND, 2, 0);
    const char *names[] = {"manifest", "n1.part", "n2.part"};
    for (size_t i = 0; i < 3; i++) {
        for (long at = 3; at < 600; at += 199) {
            flip(&place, names[i], at);
            cr_assert_eq(run_checker(&place, ""), 1, "%s %ld: %s", names[i], at, place.answer);
            flip(&place, names[i], at);
        }
    }
    cr_assert_eq(run_checker(&place, ""), 0, "%s", place.answer);
    remove_place(&place);
}

/* Nodes with folders of their own. */
Test(snapshot_checker, parts_in_other_directories_are_found) {
    struct place place;
    if (access(CHECKER, R_OK) != 0) cr_skip_test("run from the root of the repository");
    make_place(&place);
    take(&place, SAMPLE_SOUND, 2, 0);
    char *command = mem_format("mkdir -p %s/two/s1-n1 && mv %s/s1-n1/n2.part %s/two/s1-n1",
                               place.directory, place.directory, place.directory);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(run_checker(&place, ""), 1);
    char *directory = mem_format("%s/two", place.directory);
    cr_assert_eq(run_checker(&place, directory), 0, "%s", place.answer);
    const char *const directories[] = {place.directory, directory, NULL};
    storage_files files = storage_system();
    tr_error error = {0};
    cr_assert_eq(snapshot_verify(&files, directories, "s1-n1", NULL, NULL, &error), TR_OK, "%s",
                 error.message);
    mem_free(directory);
    mem_free(command);
    remove_place(&place);
}
