/*
 * grammar.h - the table of all commands and flags: parsing, help and completion come from it.
 *
 * A command that is not there yet is in it without a function, so that it is refused by name.
 */
#ifndef TROUPE_CLI_GRAMMAR_H
#define TROUPE_CLI_GRAMMAR_H

#include "node/cli/args.h"

/* The program's grammar; lives for ever. */
const struct grammar *grammar_troupe(void);

#endif
