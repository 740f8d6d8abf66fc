/*
 * node_config.c - writing trouped.ini.
 */
#include "node/cli/node_config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/base/buffer.h"
#include "node/base/file.h"
#include "node/base/memory.h"

/* inih ends a value at a ';' behind white space, and at the line's end; it strips spaces around. */
static bool can_stand(const char *value) {
    if (strpbrk(value, "\r\n") != NULL || *value == '\0') return false;
    if (strstr(value, " ;") != NULL || strstr(value, "\t;") != NULL) return false;
    return *value != ' ' && *value != ';' && value[strlen(value) - 1] != ' ';
}

static tr_status add(struct buffer *text, const char *key, const char *value,
                     struct failure *failure) {
    if (!can_stand(value))
        return failure_set(failure, TR_EINVAL, "use a path or value without line breaks and ` ;`",
                           "%s: `%s` cannot stand in a configuration file", key, value);
    buffer_append_format(text, "%s = %s\n", key, value);
    return TR_OK;
}

static tr_status add_path(struct buffer *text, const char *key, const char *folder,
                          const char *file, struct failure *failure) {
    char *path = mem_format("%s/%s", folder, file);
    tr_status status = add(text, key, path, failure);
    mem_free(path);
    return status;
}

static tr_status add_settings(struct buffer *text, const struct node_config *config,
                              struct failure *failure) {
    tr_status status = TR_OK;
    for (size_t i = 0; i < config->load_count && status == TR_OK; i++)
        status = add(text, "load", config->loads[i], failure);
    for (size_t i = 0; i < config->setting_count && status == TR_OK; i++) {
        const char *equals = strchr(config->settings[i], '=');
        if (equals == NULL || equals == config->settings[i])
            return failure_set(failure, TR_EINVAL, "for example --set mailbox-high=100",
                               "--set: `%s` is not KEY=VALUE", config->settings[i]);
        char *key = mem_format("%.*s", (int)(equals - config->settings[i]), config->settings[i]);
        status = add(text, key, equals + 1, failure);
        mem_free(key);
    }
    return status;
}

static tr_status add_places(struct buffer *text, const struct folder *folder, const char *path,
                            struct failure *failure) {
    tr_status status = add(text, "cluster", folder->cluster, failure);
    if (status == TR_OK) status = add(text, "dir", path, failure);
    if (status == TR_OK) status = add(text, "keys", folder->keys, failure);
    if (status == TR_OK) status = add(text, "snapshots", folder->snapshots, failure);
    if (status == TR_OK) status = add_path(text, "log", path, "log", failure);
    if (status == TR_OK) status = add_path(text, "pid-file", path, "pid", failure);
    return status;
}

tr_status node_config_write(const struct folder *folder, const struct node_config *config,
                            struct failure *failure) {
    char *path = folder_node_path(folder, config->name);
    char *file = mem_format("%s/trouped.ini", path);
    struct buffer text = {0};
    buffer_append_format(&text,
                         "# Written by `troupe up`; `trouped --help` explains the keys.\n[node]\n"
                         "name = %s\nlisten = tcp://127.0.0.1:%u\ncontrol = tcp://127.0.0.1:%u\n"
                         "log-format = json\n",
                         config->name, config->port, config->control_port);
    if (folder->insecure) buffer_append_text(&text, "insecure = yes\n");
    if (config->workers > 0)
        buffer_append_format(&text, "workers = %llu\n", (unsigned long long)config->workers);
    tr_status status = add_places(&text, folder, path, failure);
    if (status == TR_OK) status = add_settings(&text, config, failure);
    if (status == TR_OK) status = file_make_directory(path, 0700, &failure->error);
    if (status == TR_OK) status = file_write(file, text.data, text.bytes, 0644, &failure->error);
    buffer_fini(&text);
    mem_free(file);
    mem_free(path);
    return status;
}

void node_config_retire(const struct local_node *node) {
    static const char *const files[] = {"trouped.ini", "node.json"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *path = mem_format("%s/%s", node->path, files[i]);
        unlink(path);
        mem_free(path);
    }
}
