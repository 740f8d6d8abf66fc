/*
 * daemon_settings.c - the table of settings, and setting one of them from text.
 */
#include "node/cli/daemon_settings.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe.h>

#include "node/base/check.h"
#include "node/cli/duration.h"
#include "node/cli/suggest.h"

enum kind { TEXT, LIST, COUNT, DURATION, CHOICE, SWITCH };

enum group { GROUP_NODE = 1, GROUP_NETWORK, GROUP_LIMITS, GROUP_LOG, GROUP_PROCESS };

struct setting {
    const char *key;
    char letter;
    enum kind kind;
    enum group group;
    size_t offset;
    uint64_t max;      /* of a count */
    const char *value; /* how help calls it; a choice's words */
    const char *help;
};

#define AT(field) offsetof(struct daemon_settings, field)

static const struct setting table[] = {
    {"config", 'c', TEXT, GROUP_NODE, AT(config), 0, "FILE", "read settings from this INI file"},
    {"name", 'n', TEXT, GROUP_NODE, AT(name), 0, "NAME",
     "this node's name, unique in its cluster [n1]"},
    {"cluster", 0, TEXT, GROUP_NODE, AT(cluster), 0, "NAME", "the cluster's name [troupe]"},
    {"dir", 'd', TEXT, GROUP_NODE, AT(dir), 0, "DIR",
     "this node's folder [$XDG_STATE_HOME/troupe/CLUSTER/nodes/NAME]"},
    {"keys", 0, TEXT, GROUP_NODE, AT(keys), 0, "DIR",
     "folder of NAME.key and the others' NAME.pub [DIR/keys]"},
    {"snapshots", 0, TEXT, GROUP_NODE, AT(snapshots), 0, "DIR",
     "folder of snapshots [DIR/snapshots]"},
    {"load", 'l', LIST, GROUP_NODE, AT(loads), 0, "FILE.so",
     "offer the behaviors of a shared object; may be repeated"},
    {"workers", 'w', COUNT, GROUP_NODE, AT(workers), 1024, "N", "worker threads [one a core]"},
    {"listen", 0, TEXT, GROUP_NETWORK, AT(listen), 0, "ENDPOINT",
     "for other nodes [tcp://127.0.0.1:0, any free port]"},
    {"advertise", 0, TEXT, GROUP_NETWORK, AT(advertise), 0, "ENDPOINT",
     "what other nodes connect to [what is bound]"},
    {"control", 0, TEXT, GROUP_NETWORK, AT(control), 0, "ENDPOINT",
     "for the control program [tcp://127.0.0.1:0]"},
    {"seed", 's', LIST, GROUP_NETWORK, AT(seeds), 0, "NAME@ENDPOINT",
     "join through this member, whose key is NAME.pub; may be repeated [found a new cluster]"},
    {"insecure", 0, SWITCH, GROUP_NETWORK, AT(insecure), 0, NULL,
     "no encryption, no keys; on loopback only"},
    {"mailbox-low", 0, COUNT, GROUP_LIMITS, AT(mailbox_low), 1000000, "N",
     "messages below which muted senders go on [half of high]"},
    {"mailbox-high", 0, COUNT, GROUP_LIMITS, AT(mailbox_high), 1000000, "N",
     "messages above which senders are muted [1000]"},
    {"mailbox-hard", 0, COUNT, GROUP_LIMITS, AT(mailbox_hard), 1000000, "N",
     "messages above which a send is refused [16 times high]"},
    {"message-bytes-max", 0, COUNT, GROUP_LIMITS, AT(message_bytes_max), 1u << 30, "N",
     "the largest message body [1048576]"},
    {"suspect-after", 0, DURATION, GROUP_LIMITS, AT(suspect_after_ms), 0, "TIME",
     "silence before a member is suspected [3s]"},
    {"down-after", 0, DURATION, GROUP_LIMITS, AT(down_after_ms), 0, "TIME",
     "silence before a member is declared down [10s]"},
    {"slow-handler", 0, DURATION, GROUP_LIMITS, AT(slow_handler_ms), 0, "TIME",
     "a handler that ran longer is reported [1s]"},
    {"log", 0, TEXT, GROUP_LOG, AT(log), 0, "FILE", "append log lines to this file [stderr]"},
    {"log-format", 0, CHOICE, GROUP_LOG, AT(log_format), 0, "auto|logfmt|json",
     "auto: logfmt on a terminal, else JSON lines [auto]"},
    {"log-level", 0, CHOICE, GROUP_LOG, AT(log_level), 0, "debug|info|warn|error",
     "the least level that is logged [info]"},
    {"pid-file", 0, TEXT, GROUP_PROCESS, AT(pid_file), 0, "FILE",
     "write the process id here while running"},
    {"ready-fd", 0, COUNT, GROUP_PROCESS, AT(ready_fd), 65535, "N",
     "write {\"name\",\"endpoint\",\"control\",\"pid\"} and a newline here once bound, \"up\" once "
     "joined"},
};

enum { SETTINGS = sizeof table / sizeof table[0] };

_Static_assert(SETTINGS <= sizeof((struct daemon_settings *)0)->sources, "a source for each");

/* ---- one setting ----------------------------------------------------------------------------- */

static void *field_of(struct daemon_settings *settings, const struct setting *setting) {
    return (char *)settings + setting->offset;
}

static char *copy_text(const char *text) {
    char *copy = strdup(text);
    check(copy != NULL);
    return copy;
}

static void list_clear(struct daemon_list *list) {
    for (size_t i = 0; i < list->count; i++) free(list->items[i]);
    free(list->items);
    *list = (struct daemon_list){NULL, 0};
}

/* Keeps a NULL behind the last item: the form tr_node_options takes. */
static void list_add(struct daemon_list *list, const char *text) {
    list->items = realloc(list->items, (list->count + 2) * sizeof *list->items);
    check(list->items != NULL);
    list->items[list->count++] = copy_text(text);
    list->items[list->count] = NULL;
}

static bool fail(char error_out[DAEMON_ERROR_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(char error_out[DAEMON_ERROR_BYTES], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error_out, DAEMON_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

static bool parse_count(const struct setting *setting, const char *text, uint64_t *out,
                        char *error_out) {
    char *end;
    errno = 0;
    unsigned long long count = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || errno != 0 || count > setting->max)
        return fail(error_out, "%s: `%.64s` is no whole number up to %llu", setting->key, text,
                    (unsigned long long)setting->max);
    *out = count;
    return true;
}

static bool parse_switch(const struct setting *setting, const char *text, bool *out,
                         char *error_out) {
    static const char *const on[] = {"yes", "true", "1", "on"};
    static const char *const off[] = {"no", "false", "0", "off"};
    for (size_t i = 0; i < 4; i++) {
        if (strcasecmp(text, on[i]) == 0) return *out = true;
        if (strcasecmp(text, off[i]) == 0) {
            *out = false;
            return true;
        }
    }
    return fail(error_out, "%s: `%.64s` is neither yes nor no", setting->key, text);
}

static bool choice_has(const char *choices, const char *text) {
    size_t bytes = strlen(text);
    for (const char *at = choices; bytes > 0 && at != NULL; at = strchr(at, '|')) {
        if (*at == '|') at++;
        if (strcspn(at, "|") == bytes && memcmp(at, text, bytes) == 0) return true;
    }
    return false;
}

static bool parse_into(const struct setting *setting, const char *text, void *field,
                       char *error_out) {
    switch (setting->kind) {
        case LIST:
            list_add(field, text);
            return true;
        case COUNT:
            return parse_count(setting, text, field, error_out);
        case DURATION:
            if (duration_parse(text, field)) return true;
            return fail(error_out, "%s: `%.64s` is no duration such as 500ms or 3s", setting->key,
                        text);
        case SWITCH:
            return parse_switch(setting, text, field, error_out);
        case CHOICE:
            if (!choice_has(setting->value, text))
                return fail(error_out, "%s: `%.64s` is none of %s", setting->key, text,
                            setting->value);
            break;
        case TEXT:
            break;
    }
    free(*(char **)field);
    *(char **)field = copy_text(text);
    return true;
}

static const struct setting *setting_find(const char *key) {
    for (size_t i = 0; i < SETTINGS; i++)
        if (strcmp(table[i].key, key) == 0) return &table[i];
    return NULL;
}

bool daemon_settings_set(struct daemon_settings *settings, const char *key, const char *text,
                         enum daemon_source source, char error_out[DAEMON_ERROR_BYTES]) {
    const struct setting *setting = setting_find(key);
    if (setting == NULL) {
        const char *keys[SETTINGS];
        for (size_t i = 0; i < SETTINGS; i++) keys[i] = table[i].key;
        const char *nearest = suggest_nearest(key, keys, SETTINGS);
        if (nearest == NULL) return fail(error_out, "unknown key `%.64s`", key);
        return fail(error_out, "unknown key `%.64s`; did you mean `%s`?", key, nearest);
    }
    unsigned char *present = &settings->sources[setting - table];
    if (*present > source) return true;
    if (*text == '\0') return fail(error_out, "%s: the value is empty", key);
    if (*present < source && setting->kind == LIST) list_clear(field_of(settings, setting));
    if (!parse_into(setting, text, field_of(settings, setting), error_out)) return false;
    *present = (unsigned char)source;
    return true;
}

void daemon_settings_fini(struct daemon_settings *settings) {
    for (size_t i = 0; i < SETTINGS; i++) {
        void *field = field_of(settings, &table[i]);
        if (table[i].kind == LIST) list_clear(field);
        if (table[i].kind == TEXT || table[i].kind == CHOICE) free(*(char **)field);
    }
    memset(settings, 0, sizeof *settings);
}

/* ---- environment ----------------------------------------------------------------------------- */

static void variable_name(const struct setting *setting, char out[64]) {
    snprintf(out, 64, "TROUPED_%s", setting->key);
    for (char *at = out; *at != '\0'; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
}

/* A list in one variable: seeds apart by ',', files by ':' as in PATH. */
static bool set_from_variable(struct daemon_settings *settings, const struct setting *setting,
                              const char *text, char *error_out) {
    if (setting->kind != LIST)
        return daemon_settings_set(settings, setting->key, text, DAEMON_ENVIRONMENT, error_out);
    char *copy = copy_text(text), *rest = NULL;
    const char *separators = setting->offset == AT(loads) ? ":" : ",";
    bool good = true;
    for (char *item = strtok_r(copy, separators, &rest); item != NULL && good;
         item = strtok_r(NULL, separators, &rest))
        good = daemon_settings_set(settings, setting->key, item, DAEMON_ENVIRONMENT, error_out);
    free(copy);
    return good;
}

static bool read_environment(struct daemon_settings *settings, char *error_out) {
    for (size_t i = 0; i < SETTINGS; i++) {
        char name[64], reason[DAEMON_ERROR_BYTES];
        variable_name(&table[i], name);
        const char *text = getenv(name);
        if (text == NULL || *text == '\0') continue;
        if (!set_from_variable(settings, &table[i], text, reason))
            return fail(error_out, "$%s: %.*s", name, DAEMON_ERROR_BYTES - 80, reason);
    }
    return true;
}

/* ---- flags ----------------------------------------------------------------------------------- */

static const char documentation[] =
    "The node daemon: one member of a cluster of actors.\n"
    "\n"
    "Examples:\n"
    "  trouped --name n1 --load bank.so\n"
    "  trouped --name n2 --load bank.so --seed n1@tcp://127.0.0.1:7101\n"
    "  trouped --config /etc/troupe/n3.ini\v"
    "Every flag is also a key of the configuration file (listen = ...) and a variable "
    "(TROUPED_LISTEN); flag beats environment beats file beats default. A list in one place "
    "replaces those of "
    "weaker places; in variables, seeds are apart by ',' and files by ':'.\n"
    "\n"
    "Signals: TERM and INT leave the cluster and stop, a second one ends at once; HUP reads the "
    "keys again.\n"
    "\n"
    "Exit codes: 0 stopped cleanly; 64 wrong usage; 65 a shared object that is corrupt, exports no "
    "behaviors or was "
    "built for another version; 66 a shared object that is not there; 70 internal error or disk "
    "failure; 77 refused by the cluster (keys); "
    "78 configuration: a bad setting, a port in use, a folder not writable; 130 ended by a second "
    "signal.";

enum { FLAG_BASE = 1000 };

static error_t take_flag(int flag, char *text, struct argp_state *state) {
    struct daemon_settings *settings = state->input;
    if (flag == ARGP_KEY_ARG) argp_error(state, "unexpected word `%s`", text);
    for (size_t i = 0; i < SETTINGS; i++) {
        char reason[DAEMON_ERROR_BYTES];
        if (flag != (table[i].letter != 0 ? table[i].letter : FLAG_BASE + (int)i)) continue;
        if (!daemon_settings_set(settings, table[i].key, text == NULL ? "yes" : text, DAEMON_FLAG,
                                 reason))
            argp_error(state, "--%s", reason);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* Argp takes any unambiguous beginning of a flag; what begins none is refused here, with the
 * nearest. */
static void refuse_unknown_flags(int argc, char **argv) {
    static const char *const others[] = {"help", "usage", "version"};
    const char *known[SETTINGS + 3];
    for (size_t i = 0; i < SETTINGS + 3; i++)
        known[i] = i < SETTINGS ? table[i].key : others[i - SETTINGS];
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        char name[64];
        bool begins = false;
        if (strncmp(argv[i], "--", 2) != 0) continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(argv[i] + 2, "="), argv[i] + 2);
        for (size_t j = 0; j < SETTINGS + 3; j++)
            begins = begins || strncmp(known[j], name, strlen(name)) == 0;
        if (begins) continue;
        const char *nearest = suggest_nearest(name, known, SETTINGS + 3);
        fprintf(stderr, "trouped: error: unknown flag `--%s`\n", name);
        if (nearest != NULL) fprintf(stderr, "  fix: did you mean `--%s`?\n", nearest);
        exit(64);
    }
}

static void read_flags(struct daemon_settings *settings, int argc, char **argv) {
    struct argp_option options[SETTINGS + 1] = {{0}};
    for (size_t i = 0; i < SETTINGS; i++)
        options[i] = (struct argp_option){
            .name = table[i].key,
            .key = table[i].letter != 0 ? table[i].letter : FLAG_BASE + (int)i,
            .arg = table[i].value,
            .doc = table[i].help,
            .group = table[i].group,
        };
    struct argp argp = {.options = options, .parser = take_flag, .doc = documentation};
    refuse_unknown_flags(argc, argv);
    argp_parse(&argp, argc, argv, 0, NULL, settings);
}

/* ---- all together ---------------------------------------------------------------------------- */

static char *join(const char *a, const char *b, const char *c) {
    size_t bytes = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = malloc(bytes);
    check(text != NULL);
    snprintf(text, bytes, "%s%s%s", a, b, c);
    return text;
}

/* The folder where the control program looks first. */
static bool default_folder(struct daemon_settings *settings, char *error_out) {
    const char *base = getenv("XDG_STATE_HOME"), *tail = "/troupe/";
    if (base == NULL || *base == '\0') {
        base = getenv("HOME");
        tail = "/.local/state/troupe/";
    }
    if (base == NULL || *base == '\0')
        return fail(error_out, "dir: neither $XDG_STATE_HOME nor $HOME is set; give --dir");
    char *cluster = join(base, tail, settings->cluster);
    settings->dir = join(cluster, "/nodes/", settings->name);
    if (settings->keys == NULL) settings->keys = join(cluster, "/keys", "");
    if (settings->snapshots == NULL) settings->snapshots = join(cluster, "/snapshots", "");
    free(cluster);
    return true;
}

int daemon_settings_load(int argc, char **argv, struct daemon_settings *settings,
                         char error_out[DAEMON_ERROR_BYTES]) {
    memset(settings, 0, sizeof *settings);
    read_flags(settings, argc, argv);
    if (!read_environment(settings, error_out)) return 78;
    if (settings->config != NULL &&
        !daemon_settings_read_file(settings, settings->config, error_out))
        return 78;
    if (settings->name == NULL) settings->name = copy_text("n1");
    if (settings->cluster == NULL) settings->cluster = copy_text("troupe");
    if (settings->dir == NULL && !default_folder(settings, error_out)) return 78;
    return 0;
}
