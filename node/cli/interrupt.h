/*
 * interrupt.h - INT and TERM as something to wait for, while a command has to clean up after
 * itself.
 *
 * Outside of begin and end these signals end the program at once (exit code 130). One thread.
 */
#ifndef TROUPE_CLI_INTERRUPT_H
#define TROUPE_CLI_INTERRUPT_H

/* Makes INT and TERM end the program with exit code 130. */
void interrupt_exit(void);

/* From now on they make the returned descriptor readable instead; -1 when the system refuses. */
int interrupt_begin(void);

/* Back to ending the program; closes the descriptor. */
void interrupt_end(int fd);

#endif
