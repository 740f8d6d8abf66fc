/*
 * args.h - a command line against a table of commands and flags.
 *
 * The table (grammar.c) is the only description of the commands: parsing, help and completion read
 * it. A line is `PROGRAM [GROUP] COMMAND WORD... --flag VALUE...`; flags may stand anywhere, `--`
 * ends them, a lone `-` is a word. Unknown words are refused with the nearest known one. A flag
 * that may come from the environment is looked up there when the line does not have it.
 */
#ifndef TROUPE_CLI_ARGS_H
#define TROUPE_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

struct app;

enum flag_kind {
    FLAG_SWITCH,       /* no value */
    FLAG_TEXT,         /* any text */
    FLAG_COUNT,        /* a whole number */
    FLAG_DURATION,     /* see duration.h */
    FLAG_DURATION_OPT, /* --watch or --watch=2s: the value only after '=' */
    FLAG_CHOICE        /* one of the words of `value`, "table|json" */
};

/* One flag; a list of them ends with an entry whose name is NULL. */
struct flag {
    const char *name; /* without the dashes */
    char letter;      /* -o; 0: none */
    bool repeated;    /* may be given several times */
    bool later;       /* known, refused with "not there yet", not in help */
    enum flag_kind kind;
    const char *value;       /* how help calls the value; the choices */
    const char *environment; /* variable that stands in for it, or NULL */
    const char *help;
};

/* Runs a command; TR_OK, or the status also found in app->failure. */
typedef tr_status command_run(struct app *app);

struct command {
    const char *group; /* "node"; NULL for a command of one word */
    const char *name;
    const char *arguments;    /* "TARGET RECORD [JSON]", "NAME...", "" */
    const char *summary;      /* one line for lists */
    const char *examples;     /* lines, each a command line or a comment */
    const char *details;      /* paragraphs below, or NULL */
    const struct flag *flags; /* its own, or NULL */
    command_run *run;         /* NULL: not there yet */
};

struct grammar {
    const struct command *commands;
    size_t command_count;
    const struct flag *flags; /* of all commands */
};

/* A parsed line. */
struct args;

/* Parses a line; `argv` and the grammar are borrowed as long as the result, which the caller
 * frees. Errors: TR_EINVAL for a line that does not fit the grammar, TR_ENOTSUP for what is not
 * there yet. Even then `*args_out` is set, to what was understood (the global flags at least),
 * so that the error is printed as asked for. */
tr_status args_parse(const struct grammar *grammar, int argc, char *const *argv,
                     struct args **args_out, tr_error *error);
void args_free(struct args *args);

/* The command, or NULL when the line names none (only flags). */
const struct command *args_command(const struct args *args);

/* The group that the line names without a command of it, or NULL. */
const char *args_group(const struct args *args);

/* The words behind the command; NULL past the end. */
const char *args_word(const struct args *args, size_t index);
size_t args_word_count(const struct args *args);

/* Whether a flag was given; its (last) text, else its environment variable's (unless empty),
 * else NULL. */
bool args_has(const struct args *args, const char *name);
const char *args_text(const struct args *args, const char *name);

/* The values of a repeated flag one after the other, from a `cursor` of 0; NULL at the end. */
const char *args_next(const struct args *args, const char *name, size_t *cursor);

/* A duration's or count's value, which parsing has checked, or `otherwise` when it was not
 * given. */
uint64_t args_duration_ms(const struct args *args, const char *name, uint64_t otherwise);
uint64_t args_count(const struct args *args, const char *name, uint64_t otherwise);

/* Finds a command; NULL when there is none. `group` NULL: one of a single word. */
const struct command *grammar_find(const struct grammar *grammar, const char *group,
                                   const char *name);
bool grammar_is_group(const struct grammar *grammar, const char *word);

#endif
