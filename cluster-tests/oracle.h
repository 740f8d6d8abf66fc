/*
 * oracle.h - sees every event of every node and says what must not be.
 *
 * It keeps its own books: who was born, turned and died when, who sent what in which colour, and
 * what became of it. Online it checks order and loss (I2), the colours (I6) and the accounts'
 * money; for each committed snapshot it reads manifest and parts and checks I6, I7, I8 and the
 * money in it. A message is named by its sender and its serial. All of a run is remembered.
 */
#ifndef TROUPE_CLUSTER_TESTS_ORACLE_H
#define TROUPE_CLUSTER_TESTS_ORACLE_H

#include "cluster-tests/sim.h"

struct oracle *oracle_new(struct sim *sim);
void oracle_free(struct oracle *oracle);

/* A life of a machine's node is over: what it held is lost. */
void oracle_life_ends(struct oracle *oracle, struct machine *machine);

/* Whatever the observer of a machine's node is told. */
void oracle_observe(struct oracle *oracle, struct machine *machine, const struct observation *what);

/* Checks a committed snapshot; `machine` has its manifest. */
void oracle_check_cut(struct oracle *oracle, struct machine *machine, const char *id);
/* Checks those that are on a disk of any machine and were not checked yet. */
void oracle_check_disks(struct oracle *oracle);

/* True when no message between living nodes is on its way. */
bool oracle_is_quiet(struct oracle *oracle);
/* At the end, when all is quiet: every message was received or is a dead letter, or one of its ends
 * crashed. */
void oracle_check_end(struct oracle *oracle);

#endif
