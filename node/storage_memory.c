/*
 * storage_memory.c - a tree of nodes, each with what the process sees and what the disk holds.
 *
 * A directory's entries and a file's bytes exist twice: live, changed by every call, and synced,
 * replaced by the live ones when the directory or file is synced. A node lives as long as an
 * entry of either kind or an open file refers to it.
 */
#include "node/storage_memory.h"

#include <errno.h>
#include <string.h>

#include "node/base/buffer.h"
#include "node/base/check.h"
#include "node/base/memory.h"

struct node;

struct entry {
    char *name;
    struct node *node;
};

struct entries {
    struct entry *items;
    size_t count;
};

struct node {
    unsigned references;
    bool directory;
    struct buffer live;   /* a file's bytes */
    struct buffer synced; /* those that survive a crash */
    struct entries live_entries;
    struct entries synced_entries;
};

enum { FILES_MAX = 64 };

struct storage_memory {
    struct node *root;
    struct node *files[FILES_MAX]; /* open ones; NULL: free */
    uint64_t calls;
    uint64_t fail_in; /* 0: never */
    int fail_with;
    uint64_t halt_in; /* 0: never */
    bool halted;
    uint64_t capacity;
    size_t transfer_max;
};

/* ---- nodes and entries ----------------------------------------------------------------------- */

static struct node *node_new(bool directory) {
    struct node *node = mem_zalloc(1, sizeof *node);
    node->references = 1;
    node->directory = directory;
    return node;
}

static void node_release(struct node *node);

static void entries_fini(struct entries *entries) {
    for (size_t i = 0; i < entries->count; i++) {
        mem_free(entries->items[i].name);
        node_release(entries->items[i].node);
    }
    mem_free(entries->items);
    *entries = (struct entries){0};
}

static void node_release(struct node *node) {
    if (--node->references > 0) return;
    entries_fini(&node->live_entries);
    entries_fini(&node->synced_entries);
    buffer_fini(&node->live);
    buffer_fini(&node->synced);
    mem_free(node);
}

static struct entry *entries_find(const struct entries *entries, const char *name) {
    for (size_t i = 0; i < entries->count; i++) {
        if (strcmp(entries->items[i].name, name) == 0) return &entries->items[i];
    }
    return NULL;
}

/* Adds an entry and a reference to its node. */
static void entries_add(struct entries *entries, const char *name, struct node *node) {
    entries->items =
        mem_realloc_array(entries->items, entries->count + 1, sizeof entries->items[0]);
    entries->items[entries->count++] = (struct entry){mem_strdup(name), node};
    node->references++;
}

static void entries_remove(struct entries *entries, struct entry *entry) {
    mem_free(entry->name);
    node_release(entry->node);
    size_t index = (size_t)(entry - entries->items);
    memmove(entry, entry + 1, (entries->count - index - 1) * sizeof *entry);
    entries->count--;
}

static void entries_copy(struct entries *to, const struct entries *from) {
    struct entries copy = {0};
    for (size_t i = 0; i < from->count; i++) {
        entries_add(&copy, from->items[i].name, from->items[i].node);
    }
    entries_fini(to);
    *to = copy;
}

static void bytes_copy(struct buffer *to, const struct buffer *from) {
    buffer_clear(to);
    buffer_append(to, from->data, from->bytes);
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* Takes the next name off a path into `name_out`; false at its end. */
static bool next_name(const char **path, char name_out[256]) {
    const char *at = *path;
    while (*at == '/' || (at[0] == '.' && (at[1] == '/' || at[1] == '\0'))) at++;
    size_t bytes = strcspn(at, "/");
    if (bytes == 0 || bytes > 255) return false;
    memcpy(name_out, at, bytes);
    name_out[bytes] = '\0';
    *path = at + bytes;
    return true;
}

/* Returns the node at a path, or NULL. */
static struct node *node_at(const storage_memory *memory, const char *path) {
    char name[256];
    struct node *node = memory->root;
    while (node != NULL && next_name(&path, name)) {
        struct entry *entry = entries_find(&node->live_entries, name);
        node = entry == NULL ? NULL : entry->node;
    }
    return node;
}

/* Returns the directory that holds a path's last name, and that name; NULL when there is none. */
static struct node *parent_of(const storage_memory *memory, const char *path, char name_out[256]) {
    struct node *node = memory->root;
    if (!next_name(&path, name_out)) return NULL;
    char next[256];
    while (node != NULL && next_name(&path, next)) {
        struct entry *entry = entries_find(&node->live_entries, name_out);
        node = entry == NULL || !entry->node->directory ? NULL : entry->node;
        memcpy(name_out, next, sizeof next);
    }
    return node;
}

/* ---- failures -------------------------------------------------------------------------------- */

/* Counts a call that changes something; 0, or the negative errno it must fail with. */
static int gate(storage_memory *memory) {
    memory->calls++;
    if (memory->halt_in > 0 && --memory->halt_in == 0) memory->halted = true;
    if (memory->halted) return -EIO;
    if (memory->fail_in > 0 && --memory->fail_in == 0) return -memory->fail_with;
    return 0;
}

/* Bytes of all files that have a name, below a node. */
static uint64_t used_below(const struct node *node) {
    uint64_t used = node->live.bytes;
    for (size_t i = 0; i < node->live_entries.count; i++) {
        used += used_below(node->live_entries.items[i].node);
    }
    return used;
}

static bool has_room(const storage_memory *memory, uint64_t bytes) {
    return memory->capacity == 0 || used_below(memory->root) + bytes <= memory->capacity;
}

static size_t transfer_of(const storage_memory *memory, size_t bytes) {
    return memory->transfer_max > 0 && bytes > memory->transfer_max ? memory->transfer_max : bytes;
}

static struct node *file_of(const storage_memory *memory, int file) {
    return file < 0 || file >= FILES_MAX ? NULL : memory->files[file];
}

/* ---- the calls ------------------------------------------------------------------------------- */

/* Makes `node` an open file, with a reference. */
static int open_node(storage_memory *memory, struct node *node) {
    for (int file = 0; file < FILES_MAX; file++) {
        if (memory->files[file] != NULL) continue;
        memory->files[file] = node;
        node->references++;
        return file;
    }
    return -EMFILE;
}

static int memory_create(void *context, const char *path) {
    storage_memory *memory = context;
    int failure = gate(memory);
    if (failure < 0) return failure;
    char name[256];
    struct node *parent = parent_of(memory, path, name);
    if (parent == NULL) return -ENOENT;
    if (entries_find(&parent->live_entries, name) != NULL) return -EEXIST;
    struct node *node = node_new(false);
    int file = open_node(memory, node);
    if (file >= 0) entries_add(&parent->live_entries, name, node);
    node_release(node);
    return file;
}

static int memory_open(void *context, const char *path) {
    storage_memory *memory = context;
    if (memory->halted) return -EIO;
    struct node *node = node_at(memory, path);
    if (node == NULL) return -ENOENT;
    return node->directory ? -EISDIR : open_node(memory, node);
}

static int64_t memory_write(void *context, int file, const void *source, size_t bytes) {
    storage_memory *memory = context;
    int failure = gate(memory);
    if (failure < 0) return failure;
    struct node *node = file_of(memory, file);
    if (node == NULL) return -EBADF;
    size_t count = transfer_of(memory, bytes);
    if (!has_room(memory, count)) return -ENOSPC;
    buffer_append(&node->live, source, count);
    return (int64_t)count;
}

static int64_t memory_read(void *context, int file, uint64_t offset, void *out, size_t bytes) {
    storage_memory *memory = context;
    if (memory->halted) return -EIO;
    const struct node *node = file_of(memory, file);
    if (node == NULL) return -EBADF;
    if (offset >= node->live.bytes) return 0;
    size_t left = node->live.bytes - (size_t)offset;
    size_t count = transfer_of(memory, bytes < left ? bytes : left);
    memcpy(out, node->live.data + offset, count);
    return (int64_t)count;
}

static int memory_reserve(void *context, int file, uint64_t offset, uint64_t bytes) {
    storage_memory *memory = context;
    int failure = gate(memory);
    if (failure < 0) return failure;
    const struct node *node = file_of(memory, file);
    if (node == NULL) return -EBADF;
    uint64_t end = offset + bytes;
    uint64_t more = end > node->live.bytes ? end - node->live.bytes : 0;
    return has_room(memory, more) ? 0 : -ENOSPC;
}

static int memory_truncate(void *context, int file, uint64_t bytes) {
    storage_memory *memory = context;
    int failure = gate(memory);
    if (failure < 0) return failure;
    struct node *node = file_of(memory, file);
    if (node == NULL) return -EBADF;
    if (bytes > node->live.bytes) return -EINVAL;
    node->live.bytes = (size_t)bytes;
    return 0;
}

/* Nothing becomes durable by a hint. */
static void memory_write_back(void *context, int file, uint64_t offset, uint64_t bytes) {
    (void)context, (void)file, (void)offset, (void)bytes;
}

static int memory_sync(void *context, int file) {
    storage_memory *memory = context;
    int failure = gate(memory);
    if (failure < 0) return failure;
    struct node *node = file_of(memory, file);
    if (node == NULL) return -EBADF;
    bytes_copy(&node->synced, &node->live);
    return 0;
}

static int memory_close(void *context, int file) {
    storage_memory *memory = context;
    struct node *node = file_of(memory, file);
    if (node == NULL) return -EBADF;
    memory->files[file] = NULL;
    node_release(node);
    return 0;
}

static int memory_rename(void *context, const char *from, const char *to) {
    storage_memory *memory = context;
    int failure = gate(memory);
    if (failure < 0) return failure;
    char from_name[256];
    char to_name[256];
    struct node *from_parent = parent_of(memory, from, from_name);
    struct node *to_parent = parent_of(memory, to, to_name);
    if (from_parent == NULL || to_parent == NULL) return -ENOENT;
    struct entry *source = entries_find(&from_parent->live_entries, from_name);
    if (source == NULL) return -ENOENT;
    struct node *node = source->node;
    node->references++;
    entries_remove(&from_parent->live_entries, source);
    struct entry *replaced = entries_find(&to_parent->live_entries, to_name);
    if (replaced != NULL) entries_remove(&to_parent->live_entries, replaced);
    entries_add(&to_parent->live_entries, to_name, node);
    node_release(node);
    return 0;
}

/* Removes a path's entry if what it names is of the right kind. */
static int remove_entry(storage_memory *memory, const char *path, bool directory) {
    int failure = gate(memory);
    if (failure < 0) return failure;
    char name[256];
    struct node *parent = parent_of(memory, path, name);
    if (parent == NULL) return -ENOENT;
    struct entry *entry = entries_find(&parent->live_entries, name);
    if (entry == NULL) return -ENOENT;
    if (entry->node->directory != directory) return directory ? -ENOTDIR : -EISDIR;
    if (entry->node->live_entries.count > 0) return -ENOTEMPTY;
    entries_remove(&parent->live_entries, entry);
    return 0;
}

static int memory_unlink(void *context, const char *path) {
    return remove_entry(context, path, false);
}

static int memory_remove_directory(void *context, const char *path) {
    return remove_entry(context, path, true);
}

static int memory_make_directory(void *context, const char *path) {
    storage_memory *memory = context;
    int failure = gate(memory);
    if (failure < 0) return failure;
    char name[256];
    struct node *parent = parent_of(memory, path, name);
    if (parent == NULL) return node_at(memory, path) == NULL ? -ENOENT : -EEXIST;
    if (entries_find(&parent->live_entries, name) != NULL) return -EEXIST;
    struct node *node = node_new(true);
    entries_add(&parent->live_entries, name, node);
    node_release(node);
    return 0;
}

static int memory_sync_directory(void *context, const char *path) {
    storage_memory *memory = context;
    int failure = gate(memory);
    if (failure < 0) return failure;
    struct node *node = node_at(memory, path);
    if (node == NULL) return -ENOENT;
    if (!node->directory) return -ENOTDIR;
    entries_copy(&node->synced_entries, &node->live_entries);
    return 0;
}

static int memory_list(void *context, const char *path, storage_each_name *each, void *argument) {
    const storage_memory *memory = context;
    if (memory->halted) return -EIO;
    const struct node *node = node_at(memory, path);
    if (node == NULL) return -ENOENT;
    if (!node->directory) return -ENOTDIR;
    for (size_t i = 0; i < node->live_entries.count; i++) {
        each(argument, node->live_entries.items[i].name);
    }
    return 0;
}

static int memory_stat(void *context, const char *path, storage_stat *stat_out) {
    const storage_memory *memory = context;
    if (memory->halted) return -EIO;
    const struct node *node = node_at(memory, path);
    if (node == NULL) return -ENOENT;
    *stat_out = (storage_stat){.directory = node->directory, .bytes = node->live.bytes};
    return 0;
}

/* ---- control --------------------------------------------------------------------------------- */

storage_memory *storage_memory_new(void) {
    storage_memory *memory = mem_zalloc(1, sizeof *memory);
    memory->root = node_new(true);
    return memory;
}

static void close_files(storage_memory *memory) {
    for (int file = 0; file < FILES_MAX; file++) memory_close(memory, file);
}

void storage_memory_free(storage_memory *memory) {
    if (memory == NULL) return;
    close_files(memory);
    node_release(memory->root);
    mem_free(memory);
}

storage_files storage_memory_files(storage_memory *memory) {
    static const storage_ops ops = {
        .create = memory_create,
        .open = memory_open,
        .write = memory_write,
        .read = memory_read,
        .reserve = memory_reserve,
        .truncate = memory_truncate,
        .write_back = memory_write_back,
        .sync = memory_sync,
        .close = memory_close,
        .rename = memory_rename,
        .unlink = memory_unlink,
        .make_directory = memory_make_directory,
        .remove_directory = memory_remove_directory,
        .sync_directory = memory_sync_directory,
        .list = memory_list,
        .stat = memory_stat,
    };
    return (storage_files){.ops = &ops, .context = memory};
}

uint64_t storage_memory_calls(const storage_memory *memory) {
    return memory->calls;
}

void storage_memory_fail(storage_memory *memory, uint64_t call, int error_number) {
    memory->fail_in = call;
    memory->fail_with = error_number;
}

void storage_memory_halt(storage_memory *memory, uint64_t call) {
    memory->halt_in = call;
}

/* Makes a node, and all below it, what the crash leaves of it. */
static void node_crash(struct node *node, storage_crash crash) {
    if (crash == STORAGE_CRASH_LOSES) {
        entries_copy(&node->live_entries, &node->synced_entries);
    } else {
        entries_copy(&node->synced_entries, &node->live_entries);
    }
    if (crash == STORAGE_CRASH_KEEPS) {
        bytes_copy(&node->synced, &node->live);
    } else {
        bytes_copy(&node->live, &node->synced);
    }
    for (size_t i = 0; i < node->live_entries.count; i++) {
        node_crash(node->live_entries.items[i].node, crash);
    }
}

void storage_memory_crash(storage_memory *memory, storage_crash crash) {
    close_files(memory);
    node_crash(memory->root, crash);
    memory->halted = false;
    memory->halt_in = 0;
    memory->fail_in = 0;
}

void storage_memory_set_capacity(storage_memory *memory, uint64_t bytes) {
    memory->capacity = bytes;
}

void storage_memory_set_transfer_max(storage_memory *memory, size_t bytes) {
    memory->transfer_max = bytes;
}

uint8_t *storage_memory_peek(storage_memory *memory, const char *path, size_t *bytes_out) {
    struct node *node = node_at(memory, path);
    if (node == NULL || node->directory) return NULL;
    *bytes_out = node->live.bytes;
    return node->live.bytes == 0 ? buffer_reserve(&node->live, 1) : node->live.data;
}

void storage_memory_put(storage_memory *memory, const char *path, const void *source,
                        size_t bytes) {
    char name[256];
    struct node *parent = parent_of(memory, path, name);
    check(parent != NULL);
    struct entry *entry = entries_find(&parent->live_entries, name);
    if (entry != NULL) entries_remove(&parent->live_entries, entry);
    struct node *node = node_new(false);
    buffer_append(&node->live, source, bytes);
    buffer_append(&node->synced, source, bytes);
    entries_add(&parent->live_entries, name, node);
    entries_copy(&parent->synced_entries, &parent->live_entries);
    node_release(node);
}
