/*
 * elf_test.c - a shared object cut at any length is found, a whole one and other files are not.
 */
#include "node/base/elf.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(elf, .timeout = 30);

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL);
    cr_assert(fputs(text, file) >= 0 && fclose(file) == 0);
}

Test(elf, running_program_is_whole) {
    cr_assert(not(elf_is_cut("/proc/self/exe")));
}

Test(elf, other_files_are_not_cut_objects) {
    char path[] = "/tmp/troupe-elf-XXXXXX";
    cr_assert(close(mkstemp(path)) == 0);
    cr_assert(not(elf_is_cut(path)));
    write_file(
        path,
        "\177ELF is how it begins, and that is all that is right with this text of many words");
    cr_assert(not(elf_is_cut(path)));
    cr_assert(unlink(path) == 0);
    cr_assert(not(elf_is_cut(path)));
    cr_assert(not(elf_is_cut("/tmp")));
}

/* The last segment that is loaded ends well before the file does, where debug information follows.
 */
Test(elf, program_cut_in_its_segments_is_found) {
    char path[] = "/tmp/troupe-elf-XXXXXX", command[128];
    cr_assert(close(mkstemp(path)) == 0);
    for (long bytes = 64; bytes <= 4096; bytes += 448) {
        snprintf(command, sizeof command, "head -c %ld /proc/%d/exe > %s", bytes, (int)getpid(),
                 path);
        cr_assert(system(command) == 0);
        cr_assert(elf_is_cut(path), "%ld bytes", bytes);
    }
    cr_assert(unlink(path) == 0);
}
