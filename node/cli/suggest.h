/*
 * suggest.h - the word somebody probably meant.
 *
 * Distance is Damerau's (1964): a letter put in, left out, changed, or two neighbours swapped.
 * Knows nothing but libc, so that the daemon shares it. Any thread may call.
 */
#ifndef TROUPE_CLI_SUGGEST_H
#define TROUPE_CLI_SUGGEST_H

#include <stddef.h>

/* Words longer than this are compared by their first bytes only. */
enum { SUGGEST_BYTES_MAX = 64 };

/* Returns the number of edits between two words (letters of either case are equal). */
size_t suggest_distance(const char *a, const char *b);

/* Returns the one of `count` words nearest to `word`, the first of several, or NULL when none is
 * near. Near is within a third of the longer word's letters (at least two edits, one for words
 * of up to three letters), else a word that begins with `word` (two letters or more). Entries
 * that are NULL are skipped. The result is the list's. */
const char *suggest_nearest(const char *word, const char *const *words, size_t count);

#endif
