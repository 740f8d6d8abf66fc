/*
 * help.h - the grammar as text: an overview, one command, and a completion script.
 *
 * What is not there yet is not shown. One thread.
 */
#ifndef TROUPE_CLI_HELP_H
#define TROUPE_CLI_HELP_H

#include <stdbool.h>
#include <stdio.h>

#include "node/cli/args.h"

/* Prints all commands and the flags that all take. */
void help_overview(const struct grammar *grammar, FILE *out);

/* Prints one command, examples first. */
void help_command(const struct grammar *grammar, const struct command *command, FILE *out);

/* Prints the commands of a group; false when there is none of that name. */
bool help_group(const struct grammar *grammar, const char *group, FILE *out);

/* Prints a bash script that completes commands and flags. */
void help_bash(const struct grammar *grammar, FILE *out);

#endif
