/*
 * lives.h - the table of all lives of all nodes: found by name, life, space, ordinal and age.
 *
 * The newest life of a name is its present one; those before it are replaced for good and kept
 * for their spaces. What is known of a life comes from several nodes and merges to the same
 * whatever the order: the earliest admission holds, and left is final. States are not merged: a
 * node sees them for itself. The table is bounded (I5). No time passes here.
 */
#ifndef TROUPE_REGISTRY_LIVES_H
#define TROUPE_REGISTRY_LIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/base/map.h"
#include "registry/backoff.h"
#include "registry/member.h"

/* The admission of this node's own life before it has one: younger than all. */
#define LIVES_NOT_ADMITTED UINT64_MAX

/* `member` is read by everybody and changed by members.c's own files; the links are lives.c's. */
struct life {
    struct member member;
    struct life *before;   /* the same name's previous life */
    bool replaced;         /* by a newer life, whether that has been admitted or not */
    bool awaited;          /* this node, joining, must meet it before it is up itself */
    uint64_t meet_by_ns;   /* while joining: down if no session has come by then */
    struct backoff redial; /* while there is no session */
    char *name;            /* what the member's texts point to */
    char *endpoint;
    char *control;
    char reason[MEMBER_REASON_BYTES];
};

/* What one node tells another of a life. */
struct life_notice {
    char name[MEMBER_NAME_BYTES];
    char endpoint[MEMBER_ENDPOINT_BYTES];
    char control[MEMBER_ENDPOINT_BYTES];
    uint8_t public_key[MEMBER_KEY_BYTES];
    uint64_t incarnation;
    uint64_t space;
    uint64_t admission;
    uint32_t ordinal;
    enum member_state state; /* as the teller sees it */
    bool replaced;
};

struct lives {
    map_text by_name; /* the present lives; each leads to those before it */
    map_text by_life; /* "name/incarnation" */
    map_u64 by_space;
    struct life **present; /* by age, the oldest first */
    size_t present_count;
    size_t present_capacity;
    uint64_t admission_max;
    size_t count_max;
    const struct life *self; /* never thrown out to make room; may be NULL */
};

void lives_init(struct lives *lives, size_t count_max);
void lives_fini(struct lives *lives);

/* Adds a life that is not in the table, in state unknown. NULL: the table is full of lives that
 * are not replaced. A newer life of its name makes it replaced; it makes older ones replaced. */
struct life *lives_add(struct lives *lives, const struct life_notice *notice);

/* Merges what a notice says of a life that is in the table; true when something changed. */
bool lives_merge(struct lives *lives, struct life *life, const struct life_notice *notice);

/* Gives a life that is not admitted yet another space. */
void lives_set_space(struct lives *lives, struct life *life, uint64_t space);

/* Describes a life for another node. Texts of a replaced life stay behind. */
void lives_describe(const struct life *life, struct life_notice *notice_out);

/* The present life of a name; a certain life; by space; by ordinal. NULL: not there. */
struct life *lives_present(const struct lives *lives, const char *name);
struct life *lives_find(const struct lives *lives, const char *name, uint64_t incarnation);
struct life *lives_by_space(const struct lives *lives, uint64_t space);
struct life *lives_by_ordinal(const struct lives *lives, const char *name, uint32_t ordinal);

/* One more than the largest ordinal known of a name, 0 when there is none. */
uint32_t lives_next_ordinal(const struct lives *lives, const char *name);

/* Numbers those up or suspect by age. */
void lives_rank(struct lives *lives);

/* All lives: start with a `cursor` of 0; NULL at the end. */
struct life *lives_next(const struct lives *lives, size_t *cursor);

#endif
