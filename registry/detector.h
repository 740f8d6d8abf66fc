/*
 * detector.h - judges silence: who is suspect, who is down, and when it is this node that slept.
 *
 * Plain timeouts (TRANSPORT.md asks for no more at full mesh), with one addition: when this node's
 * own tick comes late, the time it missed counts as no one's silence. Pure; time in nanoseconds.
 */
#ifndef TROUPE_REGISTRY_DETECTOR_H
#define TROUPE_REGISTRY_DETECTOR_H

#include <stdint.h>

enum verdict { VERDICT_ALIVE, VERDICT_SUSPECT, VERDICT_DOWN };

struct detector {
    uint64_t suspect_after_ns;
    uint64_t down_after_ns;
    uint64_t period_ns; /* how often a tick is expected */
    uint64_t ticked_ns;
};

/* Starts; a `down_after_ns` below `suspect_after_ns` counts as equal to it. */
void detector_init(struct detector *detector, uint64_t suspect_after_ns, uint64_t down_after_ns,
                   uint64_t now_ns);

/* Takes note of a tick and returns how much of the time since the last one was missed: nobody
 * could be heard then, so it is to be added to every time of hearing and every deadline. */
uint64_t detector_tick(struct detector *detector, uint64_t now_ns);

/* What the silence of a peer last heard at `heard_ns` means. */
enum verdict detector_judge(const struct detector *detector, uint64_t heard_ns, uint64_t now_ns);

#endif
