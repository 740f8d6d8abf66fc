#include "registry/detector.h"

/* The shortest suspicion is spread over so many ticks, within these bounds. */
enum { TICKS_PER_SUSPICION = 12 };
static const uint64_t period_min_ns = UINT64_C(5000000);
static const uint64_t period_max_ns = UINT64_C(250000000);

void detector_init(struct detector *detector, uint64_t suspect_after_ns, uint64_t down_after_ns,
                   uint64_t now_ns) {
    uint64_t period_ns = suspect_after_ns / TICKS_PER_SUSPICION;
    if (period_ns < period_min_ns) period_ns = period_min_ns;
    if (period_ns > period_max_ns) period_ns = period_max_ns;
    if (down_after_ns < suspect_after_ns) down_after_ns = suspect_after_ns;
    *detector = (struct detector){.suspect_after_ns = suspect_after_ns,
                                  .down_after_ns = down_after_ns,
                                  .period_ns = period_ns,
                                  .ticked_ns = now_ns};
}

uint64_t detector_tick(struct detector *detector, uint64_t now_ns) {
    if (now_ns < detector->ticked_ns) return 0;
    uint64_t gap_ns = now_ns - detector->ticked_ns;
    detector->ticked_ns = now_ns;
    /* One period of lateness is the ordinary noise of scheduling. */
    return gap_ns > 2 * detector->period_ns ? gap_ns - detector->period_ns : 0;
}

enum verdict detector_judge(const struct detector *detector, uint64_t heard_ns, uint64_t now_ns) {
    uint64_t silence_ns = now_ns > heard_ns ? now_ns - heard_ns : 0;
    if (silence_ns >= detector->down_after_ns) return VERDICT_DOWN;
    if (silence_ns >= detector->suspect_after_ns) return VERDICT_SUSPECT;
    return VERDICT_ALIVE;
}
