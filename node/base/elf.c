/*
 * elf.c - the few fields of ELF headers that say how long a file must be.
 */
#include "node/base/elf.h"

#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether `bytes` bytes from `offset` on lie within the file. */
static bool fits(uint64_t offset, uint64_t bytes, uint64_t file_bytes) {
    return offset <= file_bytes && bytes <= file_bytes - offset;
}

static bool is_native(const ElfW(Ehdr) * header) {
    unsigned char wanted = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == wanted &&
           header->e_phentsize == sizeof(ElfW(Phdr));
}

static bool segments_are_cut(int file, const ElfW(Ehdr) * header, uint64_t file_bytes) {
    if (!fits(header->e_phoff, (uint64_t)header->e_phnum * sizeof(ElfW(Phdr)), file_bytes))
        return true;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;
        off_t at = (off_t)(header->e_phoff + i * sizeof segment);
        if (pread(file, &segment, sizeof segment, at) != (ssize_t)sizeof segment) return true;
        if (segment.p_type == PT_LOAD && !fits(segment.p_offset, segment.p_filesz, file_bytes))
            return true;
    }
    return false;
}

bool elf_is_cut(const char *path) {
    ElfW(Ehdr) header;
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    bool cut = fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
               pread(file, &header, sizeof header, 0) == (ssize_t)sizeof header &&
               is_native(&header) && segments_are_cut(file, &header, (uint64_t)status.st_size);
    close(file);
    return cut;
}
