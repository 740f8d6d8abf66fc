/*
 * admission.h - the oldest member's side of joining: it admits newcomers, one at a time.
 *
 * Whoever is asked but is not the oldest names the oldest. A newcomer that is not up in time no
 * longer holds up the next one; it may still come up later. Nobody is admitted while admission
 * is frozen. Part of the members machine.
 */
#ifndef TROUPE_REGISTRY_ADMISSION_H
#define TROUPE_REGISTRY_ADMISSION_H

struct members;
struct notice;
struct peer;

/* A peer asks to be admitted. */
void admission_request(struct members *members, struct peer *peer, const struct notice *notice);

/* Answers and admits whom it can at this time. */
void admission_step(struct members *members);

#endif
