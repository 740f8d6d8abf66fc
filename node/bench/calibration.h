/*
 * calibration.h - how fast the machine is just now, so that figures of like times are compared.
 *
 * On virtual machines the time that a cache line takes from one core to another changes several
 * times over, for seconds or minutes, and every figure of two threads with it: a machine is near or
 * far. A second loop, on one core, tells how fast that core itself is; figures are kept as ratios
 * to it. Takes some milliseconds; one thread at a time.
 */
#ifndef TROUPE_BENCH_CALIBRATION_H
#define TROUPE_BENCH_CALIBRATION_H

enum machine_state {
    MACHINE_NEAR,     /* a cache line takes less than CALIBRATION_FAR_NS one way */
    MACHINE_FAR,      /* more than that */
    MACHINE_ONE_CORE, /* this process may use one core only */
    MACHINE_MIXED,    /* it changed while a run was under way */
    MACHINE_STATES
};

enum { CALIBRATION_FAR_NS = 80 };

struct calibration {
    enum machine_state state;
    double cross_ns; /* one way of a cache line between two cores, median; 0 on one core */
    double loop_ns;  /* a step of the loop on one core, median */
};

/* Measures both. */
struct calibration calibration_measure(void);

/* The state that goes with a one-way time; 0 means one core. */
enum machine_state calibration_state(double cross_ns);

/* "near", "far", "one-core", "mixed". */
const char *calibration_state_name(enum machine_state state);

#endif
