/*
 * elf.h - whether a shared object is all there.
 *
 * dlopen maps what the headers promise without a look at the file's length: the first touch of a
 * page past its end is SIGBUS, and the process is gone. So a file that was copied in part is
 * found here before. Leaf; any thread.
 */
#ifndef TROUPE_BASE_ELF_H
#define TROUPE_BASE_ELF_H

#include <stdbool.h>

/* True when the file is an ELF object of this machine's word size that ends before the segments its
 * headers name. False otherwise, also when it cannot be read or is no such object: dlopen tells
 * that itself. */
bool elf_is_cut(const char *path);

#endif
