/*
 * folder.c - finding, reading and writing the cluster's folder.
 */
#include "node/cli/folder.h"

#include <ctype.h>
#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/file.h"
#include "node/base/memory.h"

enum { CARD_BYTES_MAX = 65536 };

/* ---- small files ----------------------------------------------------------------------------- */

/* Reads a JSON object from a file; NULL when there is none, or none that can be read (`error`
 * says which). */
static json_t *read_object(const char *path, tr_error *error) {
    struct buffer content = {0};
    json_t *object = NULL;
    tr_status status = file_read(path, CARD_BYTES_MAX, &content, error);
    if (status == TR_OK) {
        json_error_t reason;
        object =
            json_loadb((const char *)content.data, content.bytes, JSON_REJECT_DUPLICATES, &reason);
        if (!json_is_object(object)) {
            json_decref(object);
            object = NULL;
            error_set(error, TR_EDATA, NULL, "%s: %s", path, reason.text);
        }
    }
    buffer_fini(&content);
    return object;
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static bool is_file(const char *folder, const char *name) {
    char *path = mem_format("%s/%s", folder, name);
    bool there = access(path, F_OK) == 0;
    mem_free(path);
    return there;
}

/* ---- the folder ------------------------------------------------------------------------------ */

static char *absolute(const char *path) {
    char here[PATH_MAX];
    if (*path == '/' || getcwd(here, sizeof here) == NULL) return mem_strdup(path);
    return mem_format("%s/%s", here, path);
}

static char *find_path(const struct args *args, const char *cluster) {
    const char *dir = args_text(args, "dir"), *state = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    if (dir != NULL) return absolute(dir);
    if (state != NULL && *state != '\0') return mem_format("%s/troupe/%s", state, cluster);
    if (home != NULL && *home != '\0')
        return mem_format("%s/.local/state/troupe/%s", home, cluster);
    return NULL;
}

static void set_text(char **field, const char *text) {
    char *copy = mem_strdup(text);
    mem_free(*field);
    *field = copy;
}

/* cluster.json, or the card of a lone daemon. */
static tr_status read_description(struct folder *folder, struct failure *failure) {
    tr_error error = {0};
    char *path = mem_format("%s/cluster.json", folder->path);
    json_t *object = read_object(path, &error);
    mem_free(path);
    if (object == NULL && error.status == TR_ENOENT) {
        path = mem_format("%s/node.json", folder->path);
        object = read_object(path, &error);
        mem_free(path);
    }
    if (object == NULL) {
        if (error.status == TR_ENOENT) return TR_OK;
        failure->error = error;
        return error.status;
    }
    folder->exists = true;
    folder->insecure = strcmp(text_of(object, "security"), "none") == 0;
    const char *name = json_object_get(object, "cluster") != NULL ? text_of(object, "cluster")
                                                                  : text_of(object, "name");
    if (*name != '\0') set_text(&folder->cluster, name);
    json_decref(object);
    return TR_OK;
}

tr_status folder_open(struct folder *folder, const struct args *args, const char *cluster,
                      struct failure *failure) {
    *folder = (struct folder){0};
    if (cluster == NULL) cluster = args_text(args, "cluster");
    if (cluster == NULL) cluster = "troupe";
    folder->path = find_path(args, cluster);
    if (folder->path == NULL)
        return failure_set(failure, TR_ECONFIG, "give the cluster's folder with --dir",
                           "neither $TROUPE_DIR, $XDG_STATE_HOME nor $HOME is set");
    set_text(&folder->cluster, cluster);
    const char *keys = args_text(args, "keys");
    folder->keys = keys != NULL ? absolute(keys) : mem_format("%s/keys", folder->path);
    folder->snapshots = mem_format("%s/snapshots", folder->path);
    return read_description(folder, failure);
}

void folder_close(struct folder *folder) {
    mem_free(folder->path);
    mem_free(folder->keys);
    mem_free(folder->snapshots);
    mem_free(folder->cluster);
    *folder = (struct folder){0};
}

static tr_status write_description(const struct folder *folder, tr_error *error) {
    json_t *object = json_pack("{s:s, s:s}", "name", folder->cluster, "security",
                               folder->insecure ? "none" : "curve");
    char *text = json_dumps(object, JSON_INDENT(2));
    char *path = mem_format("%s/cluster.json", folder->path);
    tr_status status = text == NULL
                           ? error_set(error, TR_EINVAL, NULL, "the cluster's name is no UTF-8")
                           : file_write(path, text, strlen(text), 0644, error);
    mem_free(path);
    free(text);
    json_decref(object);
    return status;
}

tr_status folder_save(struct folder *folder, struct failure *failure) {
    char *nodes = mem_format("%s/nodes", folder->path);
    const char *const paths[] = {folder->path, folder->keys, folder->snapshots, nodes};
    tr_status status = TR_OK;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && status == TR_OK; i++)
        status = file_make_directory(paths[i], 0700, &failure->error);
    mem_free(nodes);
    if (status == TR_OK) status = write_description(folder, &failure->error);
    folder->exists = status == TR_OK;
    return status;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

char *folder_node_path(const struct folder *folder, const char *name) {
    return mem_format("%s/nodes/%s", folder->path, name);
}

static void read_card(struct local_node *node, const json_t *card) {
    node->carded = true;
    node->endpoint = mem_strdup(text_of(card, "endpoint"));
    node->control = mem_strdup(text_of(card, "control"));
    node->insecure = strcmp(text_of(card, "security"), "none") == 0;
    node->process.pid = (pid_t)json_integer_value(json_object_get(card, "pid"));
    node->process.start = (uint64_t)json_integer_value(json_object_get(card, "start"));
    snprintf(node->process.boot, sizeof node->process.boot, "%s", text_of(card, "boot"));
    int fd = process_open(&node->process);
    node->running = fd >= 0;
    if (fd >= 0) close(fd);
}

/* Adds the node whose folder this is, if it is one; a lone daemon's name is in its card. */
static void add_node(struct local_nodes *nodes, const char *path, const char *name) {
    tr_error error = {0};
    char *card_path = mem_format("%s/node.json", path);
    json_t *card = read_object(card_path, &error);
    mem_free(card_path);
    if (name == NULL && card != NULL) name = text_of(card, "name");
    bool configured = is_file(path, "trouped.ini");
    if (name != NULL && strlen(name) < FOLDER_NAME_BYTES && *name != '\0' &&
        (card != NULL || configured)) {
        nodes->items = mem_realloc_array(nodes->items, nodes->count + 1, sizeof *nodes->items);
        struct local_node *node = &nodes->items[nodes->count++];
        *node = (struct local_node){.path = mem_strdup(path), .configured = configured};
        snprintf(node->name, sizeof node->name, "%s", name);
        if (card != NULL) read_card(node, card);
    }
    json_decref(card);
}

static size_t number_at(const char **text) {
    size_t number = 0;
    for (; isdigit((unsigned char)**text); (*text)++) {
        size_t digit = (size_t)(**text - '0');
        if (number < SIZE_MAX / 20) number = number * 10 + digit;
    }
    return number;
}

int folder_compare_names(const char *a, const char *b) {
    const char *first = a, *second = b;
    while (*a != '\0' && *b != '\0') {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            size_t x = number_at(&a), y = number_at(&b);
            if (x != y) return x < y ? -1 : 1;
        } else if (*a != *b) {
            break;
        } else {
            a++;
            b++;
        }
    }
    if (*a != *b) return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
    return strcmp(first, second); /* n1 and n01 */
}

static int compare_nodes(const void *a, const void *b) {
    return folder_compare_names(((const struct local_node *)a)->name,
                                ((const struct local_node *)b)->name);
}

void folder_nodes(const struct folder *folder, struct local_nodes *nodes) {
    *nodes = (struct local_nodes){NULL, 0};
    add_node(nodes, folder->path, NULL);
    char *path = mem_format("%s/nodes", folder->path);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char *node_path = mem_format("%s/%s", path, entry->d_name);
        add_node(nodes, node_path, entry->d_name);
        mem_free(node_path);
    }
    if (directory != NULL) closedir(directory);
    mem_free(path);
    if (nodes->count > 1) qsort(nodes->items, nodes->count, sizeof *nodes->items, compare_nodes);
}

void local_nodes_free(struct local_nodes *nodes) {
    for (size_t i = 0; i < nodes->count; i++) {
        mem_free(nodes->items[i].path);
        mem_free(nodes->items[i].endpoint);
        mem_free(nodes->items[i].control);
    }
    mem_free(nodes->items);
    *nodes = (struct local_nodes){NULL, 0};
}

struct local_node *local_nodes_find(const struct local_nodes *nodes, const char *name) {
    for (size_t i = 0; i < nodes->count; i++)
        if (strcmp(nodes->items[i].name, name) == 0) return &nodes->items[i];
    return NULL;
}

size_t local_nodes_running(const struct local_nodes *nodes) {
    size_t running = 0;
    for (size_t i = 0; i < nodes->count; i++) running += nodes->items[i].running;
    return running;
}
