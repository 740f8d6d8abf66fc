/*
 * claims.h - the claimant's side: ask the home, put the entry to all, have everybody's word.
 *
 *   waiting --grant--> put --all agree--> settled: TR_OK
 *      | taken          | a holder objects, or one that claimed earlier: TR_EEXIST
 *      +----------------+-> over; also by its deadline (TR_ETIMEDOUT) or a drop (TR_EABORTED)
 *
 * Each node speaks for its own actors alone, so that all that others hear of a name's holder comes
 * down one channel in order. Part of the name service.
 */
#ifndef TROUPE_REGISTRY_CLAIMS_H
#define TROUPE_REGISTRY_CLAIMS_H

#include <stdint.h>
#include <troupe.h>

struct binding;
struct claim;
struct entry;
struct names;
struct service;

/* Starts a claim of an actor of this node. */
void claims_start(struct names *names, struct binding *binding, tr_pid pid, uint64_t request);

/* Asks the present homes, where those asked before are not that any more. */
void claims_ask(struct names *names);

/* Answers to our claims from `from`; those that come too late are nothing. */
void claims_granted(struct names *names, const struct service *from, uint64_t token);
void claims_taken(struct names *names, const struct service *from, uint64_t token, tr_pid holder);
void claims_agreed(struct names *names, const struct service *from, uint64_t token);
void claims_objected(struct names *names, uint64_t token, tr_pid holder);

/* Settles a claim that all have agreed to. */
void claims_check(struct names *names, struct claim *claim);

/* Ends a claim without success. */
void claims_end(struct names *names, struct claim *claim, tr_status status, tr_pid holder);

/* An entry of ours is over: forgotten here and everywhere. */
void claims_withdraw(struct names *names, struct entry *entry);

/* Gives up one name of a pid, or all (`binding` NULL). */
void claims_drop(struct names *names, tr_pid pid, const struct binding *binding);

/* Ends the claims whose time is over; returns the next deadline or UINT64_MAX. */
uint64_t claims_tick(struct names *names);

#endif
