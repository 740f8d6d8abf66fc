/*
 * args.c - parsing a line against the grammar, and asking for what it says.
 */
#include "node/cli/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/cli/duration.h"
#include "node/cli/suggest.h"

enum { SUGGESTIONS_MAX = 128 };

struct value {
    const struct flag *flag;
    const char *text; /* NULL for a switch */
};

struct args {
    const struct grammar *grammar;
    const char *group; /* a word that names a group, its command still to come */
    const struct command *command;
    const char **words;
    size_t word_count;
    struct value *values;
    size_t value_count;
    tr_error *error; /* while parsing */
};

const struct command *grammar_find(const struct grammar *grammar, const char *group,
                                   const char *name) {
    for (size_t i = 0; i < grammar->command_count; i++) {
        const struct command *command = &grammar->commands[i];
        bool in_group = command->group == NULL
                            ? group == NULL
                            : group != NULL && strcmp(group, command->group) == 0;
        if (in_group && strcmp(command->name, name) == 0) return command;
    }
    return NULL;
}

bool grammar_is_group(const struct grammar *grammar, const char *word) {
    for (size_t i = 0; i < grammar->command_count; i++) {
        const char *group = grammar->commands[i].group;
        if (group != NULL && strcmp(group, word) == 0) return true;
    }
    return false;
}

/* ---- what was meant -------------------------------------------------------------------------- */

static void hint_nearest(tr_error *error, const char *word, const char *const *words, size_t count,
                         const char *prefix, const char *help) {
    const char *nearest = suggest_nearest(word, words, count);
    if (nearest != NULL)
        error_hint(error, "did you mean `%s%s`?", prefix, nearest);
    else
        error_hint(error, "`troupe %s` lists what there is", help);
}

static tr_status refuse_command(const struct args *args, const char *word) {
    const char *words[SUGGESTIONS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < args->grammar->command_count && count < SUGGESTIONS_MAX; i++) {
        const struct command *command = &args->grammar->commands[i];
        if (command->run == NULL) continue;
        if (args->group == NULL)
            words[count++] = command->group == NULL ? command->name : command->group;
        else if (command->group != NULL && strcmp(command->group, args->group) == 0)
            words[count++] = command->name;
    }
    const char *group = args->group == NULL ? "" : args->group;
    const char *space = args->group == NULL ? "" : " ";
    error_set(args->error, TR_EINVAL, NULL, "unknown command `%s%s%s`", group, space, word);
    hint_nearest(args->error, word, words, count, "", "help");
    return TR_EINVAL;
}

static size_t collect_flags(const struct flag *flags, const char **words, size_t count) {
    for (; flags != NULL && flags->name != NULL && count < SUGGESTIONS_MAX; flags++)
        if (!flags->later) words[count++] = flags->name;
    return count;
}

static tr_status refuse_flag(const struct args *args, const char *text) {
    const char *words[SUGGESTIONS_MAX];
    size_t count = collect_flags(args->grammar->flags, words, 0);
    if (args->command != NULL) count = collect_flags(args->command->flags, words, count);
    char name[SUGGEST_BYTES_MAX];
    const char *bare = text + strspn(text, "-");
    size_t bytes = strcspn(bare, "=");
    if (bytes >= sizeof name) bytes = sizeof name - 1;
    memcpy(name, bare, bytes);
    name[bytes] = '\0';
    error_set(args->error, TR_EINVAL, NULL, "unknown flag `%s%s`", text[1] == '-' ? "--" : "-",
              name);
    hint_nearest(args->error, name, words, count, "--",
                 args->command == NULL ? "help" : "help COMMAND");
    return TR_EINVAL;
}

/* ---- flags ----------------------------------------------------------------------------------- */

static const struct flag *find_long(const struct flag *flags, const char *name, size_t bytes) {
    for (; flags != NULL && flags->name != NULL; flags++)
        if (strlen(flags->name) == bytes && memcmp(flags->name, name, bytes) == 0) return flags;
    return NULL;
}

static const struct flag *find_letter(const struct flag *flags, char letter) {
    for (; flags != NULL && flags->name != NULL; flags++)
        if (flags->letter == letter) return flags;
    return NULL;
}

static const struct flag *lookup(const struct args *args, const char *name) {
    const struct flag *found = find_long(args->grammar->flags, name, strlen(name));
    if (found == NULL && args->command != NULL)
        found = find_long(args->command->flags, name, strlen(name));
    return found;
}

static bool count_parse(const char *text, uint64_t *count_out) {
    char *end;
    errno = 0;
    unsigned long long count = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0) return false;
    *count_out = count;
    return true;
}

static bool choice_has(const char *choices, const char *text) {
    size_t bytes = strlen(text);
    for (const char *at = choices; bytes > 0; at++) {
        size_t length = strcspn(at, "|");
        if (length == bytes && memcmp(at, text, bytes) == 0) return true;
        at += length;
        if (*at == '\0') return false;
    }
    return false;
}

/* Says what is wrong with a value; `where` is "--timeout" or "$TROUPE_TIMEOUT". */
static tr_status check_value(const struct flag *flag, const char *where, const char *text,
                             tr_error *error) {
    uint64_t number;
    switch (flag->kind) {
        case FLAG_COUNT:
            if (count_parse(text, &number)) return TR_OK;
            return error_set(error, TR_EINVAL, NULL, "%s: `%s` is no whole number", where, text);
        case FLAG_DURATION:
        case FLAG_DURATION_OPT:
            if (duration_parse(text, &number)) return TR_OK;
            return error_set(error, TR_EINVAL, "write it as 200ms, 5s, 2m or 1h",
                             "%s: `%s` is no duration", where, text);
        case FLAG_CHOICE:
            if (choice_has(flag->value, text)) return TR_OK;
            return error_set(error, TR_EINVAL, NULL, "%s: `%s` is none of %s", where, text,
                             flag->value);
        case FLAG_SWITCH:
        case FLAG_TEXT:
            break;
    }
    return TR_OK;
}

static tr_status add_value(struct args *args, const struct flag *flag, const char *text) {
    if (flag->later)
        return error_set(args->error, TR_ENOTSUP, NULL, "--%s is not there yet", flag->name);
    if (text != NULL) {
        char where[SUGGEST_BYTES_MAX + 3] = "--";
        strncat(where, flag->name, SUGGEST_BYTES_MAX);
        tr_status status = check_value(flag, where, text, args->error);
        if (status != TR_OK) return status;
    }
    args->values[args->value_count++] = (struct value){flag, text};
    return TR_OK;
}

/* Takes the flag at argv[*index], and its value when that is the next item. */
static tr_status take_flag(struct args *args, int argc, char *const *argv, int *index) {
    const char *text = argv[*index];
    bool is_long = text[1] == '-';
    const char *bare = text + (is_long ? 2 : 1);
    size_t bytes = is_long ? strcspn(bare, "=") : 1;
    const struct flag *own = args->command == NULL ? NULL : args->command->flags;
    const struct flag *flag = is_long ? find_long(own, bare, bytes) : find_letter(own, *bare);
    if (flag == NULL)
        flag = is_long ? find_long(args->grammar->flags, bare, bytes)
                       : find_letter(args->grammar->flags, *bare);
    if (flag == NULL) return refuse_flag(args, text);

    const char *value = NULL;
    if (bare[bytes] != '\0') value = bare + bytes + (bare[bytes] == '=');
    if (flag->kind == FLAG_SWITCH && value != NULL)
        return error_set(args->error, TR_EINVAL, NULL, "--%s takes no value", flag->name);
    if (value == NULL && flag->kind != FLAG_SWITCH && flag->kind != FLAG_DURATION_OPT) {
        if (*index + 1 >= argc)
            return error_set(args->error, TR_EINVAL, NULL, "--%s needs a value: %s", flag->name,
                             flag->value);
        value = argv[++*index];
    }
    return add_value(args, flag, value);
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Counts "TARGET RECORD [JSON]" as 2 to 3 words; "NAME..." as any number from 1. */
static void count_arguments(const char *arguments, size_t *min_out, size_t *max_out) {
    *min_out = *max_out = 0;
    for (const char *at = arguments; *at != '\0'; at += strspn(at, " ")) {
        size_t bytes = strcspn(at, " ");
        if (*at != '[') *min_out += 1;
        if (*max_out != SIZE_MAX) *max_out += 1;
        if (bytes > 3 && memchr(at, '.', bytes) != NULL) *max_out = SIZE_MAX;
        at += bytes;
    }
}

static tr_status take_word(struct args *args, const char *word) {
    if (args->command != NULL) {
        args->words[args->word_count++] = word;
        return TR_OK;
    }
    const struct command *command = grammar_find(args->grammar, args->group, word);
    if (command == NULL && args->group == NULL && grammar_is_group(args->grammar, word)) {
        args->group = word;
        return TR_OK;
    }
    if (command == NULL) return refuse_command(args, word);
    args->command = command;
    return TR_OK;
}

static tr_status check_words(const struct args *args) {
    const struct command *command = args->command;
    if (command == NULL) {
        if (args->group == NULL || args_has(args, "help")) return TR_OK;
        error_set(args->error, TR_EINVAL, NULL, "`troupe %s` needs a command", args->group);
        error_hint(args->error, "`troupe help %s` lists them", args->group);
        return TR_EINVAL;
    }
    if (args_has(args, "help")) return TR_OK;
    const char *group = command->group == NULL ? "" : command->group;
    const char *space = command->group == NULL ? "" : " ";
    if (command->run == NULL)
        return error_set(args->error, TR_ENOTSUP, "`troupe help` lists what there is",
                         "`troupe %s%s%s` is not there yet", group, space, command->name);
    size_t min, max;
    count_arguments(command->arguments, &min, &max);
    if (args->word_count >= min && args->word_count <= max) return TR_OK;
    if (args->word_count > max)
        error_set(args->error, TR_EINVAL, NULL, "one word too many: `%s`", args->words[max]);
    else
        error_set(args->error, TR_EINVAL, NULL, "`troupe %s%s%s` needs %s", group, space,
                  command->name, command->arguments);
    error_hint(args->error, "usage: troupe %s%s%s%s%s", group, space, command->name,
               *command->arguments == '\0' ? "" : " ", command->arguments);
    return TR_EINVAL;
}

static tr_status check_environment(const struct args *args, const struct flag *flags) {
    for (; flags != NULL && flags->name != NULL; flags++) {
        const char *text = flags->environment == NULL ? NULL : getenv(flags->environment);
        if (text == NULL || *text == '\0' || args_has(args, flags->name)) continue;
        char where[SUGGEST_BYTES_MAX] = "$";
        strncat(where, flags->environment, sizeof where - 2);
        tr_status status = check_value(flags, where, text, args->error);
        if (status != TR_OK) return status;
    }
    return TR_OK;
}

static tr_status parse(struct args *args, int argc, char *const *argv) {
    bool flags_end = false;
    tr_status first = TR_OK;
    /* After an error the rest is still read for its flags, so that `-o json` counts wherever it
     * stands. */
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        tr_status status;
        if (!flags_end && strcmp(text, "--") == 0) {
            flags_end = true;
            continue;
        }
        if (!flags_end && text[0] == '-' && text[1] != '\0')
            status = take_flag(args, argc, argv, &i);
        else
            status = first == TR_OK ? take_word(args, text) : TR_OK;
        if (status != TR_OK && first == TR_OK) {
            first = status;
            args->error = NULL;
        }
    }
    if (first != TR_OK) return first;
    tr_status status = check_words(args);
    if (status == TR_OK) status = check_environment(args, args->grammar->flags);
    if (status == TR_OK && args->command != NULL)
        status = check_environment(args, args->command->flags);
    return status;
}

tr_status args_parse(const struct grammar *grammar, int argc, char *const *argv,
                     struct args **args_out, tr_error *error) {
    struct args *args = mem_zalloc(1, sizeof *args);
    args->grammar = grammar;
    args->error = error;
    args->words = mem_zalloc((size_t)argc + 1, sizeof *args->words);
    args->values = mem_zalloc((size_t)argc + 1, sizeof *args->values);
    tr_status status = parse(args, argc, argv);
    args->error = NULL;
    *args_out = args;
    return status;
}

void args_free(struct args *args) {
    if (args == NULL) return;
    mem_free(args->words);
    mem_free(args->values);
    mem_free(args);
}

/* ---- asking ---------------------------------------------------------------------------------- */

const struct command *args_command(const struct args *args) {
    return args->command;
}

const char *args_group(const struct args *args) {
    return args->command == NULL ? args->group : NULL;
}

const char *args_word(const struct args *args, size_t index) {
    return index < args->word_count ? args->words[index] : NULL;
}

size_t args_word_count(const struct args *args) {
    return args->word_count;
}

bool args_has(const struct args *args, const char *name) {
    size_t cursor = 0;
    for (; cursor < args->value_count; cursor++)
        if (strcmp(args->values[cursor].flag->name, name) == 0) return true;
    return false;
}

const char *args_text(const struct args *args, const char *name) {
    for (size_t i = args->value_count; i > 0; i--)
        if (strcmp(args->values[i - 1].flag->name, name) == 0) return args->values[i - 1].text;
    const struct flag *flag = lookup(args, name);
    if (flag == NULL || flag->environment == NULL) return NULL;
    const char *text = getenv(flag->environment);
    return text == NULL || *text == '\0' ? NULL : text;
}

const char *args_next(const struct args *args, const char *name, size_t *cursor) {
    while (*cursor < args->value_count) {
        const struct value *value = &args->values[(*cursor)++];
        if (strcmp(value->flag->name, name) == 0) return value->text;
    }
    return NULL;
}

uint64_t args_duration_ms(const struct args *args, const char *name, uint64_t otherwise) {
    const char *text = args_text(args, name);
    uint64_t ms = otherwise;
    if (text != NULL) check(duration_parse(text, &ms));
    return ms;
}

uint64_t args_count(const struct args *args, const char *name, uint64_t otherwise) {
    const char *text = args_text(args, name);
    uint64_t count = otherwise;
    if (text != NULL) check(count_parse(text, &count));
    return count;
}
