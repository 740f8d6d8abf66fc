#include "registry/lives.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"

enum { LIFE_KEY_BYTES = MEMBER_NAME_BYTES + 24 };

static void life_key(char key_out[LIFE_KEY_BYTES], const char *name, uint64_t incarnation) {
    snprintf(key_out, LIFE_KEY_BYTES, "%s/%" PRIu64, name, incarnation);
}

void lives_init(struct lives *lives, size_t count_max) {
    *lives = (struct lives){.count_max = count_max};
    map_text_init(&lives->by_name);
    map_text_init(&lives->by_life);
    map_u64_init(&lives->by_space);
}

static void life_free(struct life *life) {
    mem_free(life->name);
    mem_free(life->endpoint);
    mem_free(life->control);
    mem_free(life);
}

void lives_fini(struct lives *lives) {
    size_t cursor = 0;
    for (struct life *life; (life = lives_next(lives, &cursor)) != NULL;) life_free(life);
    map_text_fini(&lives->by_name);
    map_text_fini(&lives->by_life);
    map_u64_fini(&lives->by_space);
    mem_free(lives->present);
}

/* ---- age order of the present lives ---- */

static void present_remove(struct lives *lives, const struct life *life) {
    size_t at = 0;
    while (at < lives->present_count && lives->present[at] != life) at++;
    if (at == lives->present_count) return;
    lives->present_count--;
    memmove(&lives->present[at], &lives->present[at + 1],
            (lives->present_count - at) * sizeof(lives->present[0]));
}

static void present_insert(struct lives *lives, struct life *life) {
    if (lives->present_count == lives->present_capacity) {
        lives->present_capacity = lives->present_capacity == 0 ? 16 : 2 * lives->present_capacity;
        lives->present =
            mem_realloc_array(lives->present, lives->present_capacity, sizeof(lives->present[0]));
    }
    size_t at = lives->present_count++;
    while (at > 0 && member_compare_age(&life->member, &lives->present[at - 1]->member) < 0) {
        lives->present[at] = lives->present[at - 1];
        at--;
    }
    lives->present[at] = life;
}

/* ---- texts ---- */

static void set_text(char **text, const char **shown, const char *value) {
    mem_free(*text);
    *text = mem_strdup(value);
    *shown = *text;
}

/* Where to reach a life is of no use once that is over. */
static void forget_texts(struct life *life) {
    set_text(&life->endpoint, &life->member.endpoint, "");
    set_text(&life->control, &life->member.control, "");
}

static void take_texts(struct life *life, const struct life_notice *notice) {
    set_text(&life->endpoint, &life->member.endpoint, notice->endpoint);
    set_text(&life->control, &life->member.control, notice->control);
    memcpy(life->member.public_key, notice->public_key, MEMBER_KEY_BYTES);
}

/* ---- adding and merging ---- */

/* Two lives with one space could only meet when both sides of a partition drew the same 64 bits;
 * the older one then keeps it, on every node. */
static void claim_space(struct lives *lives, struct life *life) {
    struct life *holder = map_u64_find(&lives->by_space, life->member.space);
    if (holder != NULL && holder != life &&
        member_compare_age(&holder->member, &life->member) < 0) {
        return;
    }
    map_u64_put(&lives->by_space, life->member.space, life);
}

static void yield_space(struct lives *lives, const struct life *life) {
    if (map_u64_find(&lives->by_space, life->member.space) == life) {
        map_u64_remove(&lives->by_space, life->member.space);
    }
}

static void unlink_life(struct lives *lives, struct life *life) {
    char key[LIFE_KEY_BYTES];
    life_key(key, life->name, life->member.incarnation);
    map_text_remove(&lives->by_life, key);
    yield_space(lives, life);
    present_remove(lives, life);
    struct life *present = lives_present(lives, life->name);
    if (present == life) {
        map_text_remove(&lives->by_name, life->name);
        return;
    }
    while (present->before != life) present = present->before;
    present->before = life->before;
}

/* Makes room: the oldest life that was replaced goes, else the oldest that has left. */
static bool evict(struct lives *lives) {
    struct life *victim = NULL;
    size_t cursor = 0;
    for (struct life *life; (life = lives_next(lives, &cursor)) != NULL;) {
        bool present = lives_present(lives, life->name) == life;
        bool over = !present || (life->member.state == MEMBER_LEFT && life->before == NULL);
        if (!over || life == lives->self) continue;
        if (victim == NULL || member_compare_age(&life->member, &victim->member) < 0) victim = life;
    }
    if (victim == NULL) return false;
    unlink_life(lives, victim);
    life_free(victim);
    return true;
}

/* Links a life into the chain of its name, newest first. */
static void link_by_name(struct lives *lives, struct life *life) {
    struct life *present = lives_present(lives, life->name);
    if (present == NULL || present->member.incarnation < life->member.incarnation) {
        life->before = present;
        map_text_put(&lives->by_name, life->name, life);
        present_insert(lives, life);
        if (present == NULL) return;
        present->replaced = true;
        forget_texts(present);
        present_remove(lives, present);
        return;
    }
    life->replaced = true;
    forget_texts(life);
    while (present->before != NULL &&
           present->before->member.incarnation > life->member.incarnation) {
        present = present->before;
    }
    life->before = present->before;
    present->before = life;
}

static void note_admission(struct lives *lives, uint64_t admission) {
    if (admission == LIVES_NOT_ADMITTED) return;
    if (admission > lives->admission_max) lives->admission_max = admission;
}

struct life *lives_add(struct lives *lives, const struct life_notice *notice) {
    check(lives_find(lives, notice->name, notice->incarnation) == NULL);
    if (map_text_count(&lives->by_life) >= lives->count_max && !evict(lives)) return NULL;
    struct life *life = mem_zalloc(1, sizeof(*life));
    life->replaced = notice->replaced;
    life->member.incarnation = notice->incarnation;
    life->member.space = notice->space;
    life->member.admission = notice->admission;
    life->member.ordinal = notice->ordinal;
    life->member.rank = MEMBER_NO_RANK;
    life->member.reason = life->reason;
    set_text(&life->name, &life->member.name, notice->name);
    take_texts(life, notice);
    char key[LIFE_KEY_BYTES];
    life_key(key, life->name, notice->incarnation);
    map_text_put(&lives->by_life, key, life);
    link_by_name(lives, life);
    claim_space(lives, life);
    note_admission(lives, notice->admission);
    return life;
}

/* The earliest admission of a life holds, with the space and the ordinal it gave. */
static bool merge_admission(struct lives *lives, struct life *life,
                            const struct life_notice *notice) {
    struct member *member = &life->member;
    if (notice->admission > member->admission) return false;
    if (notice->admission == member->admission && notice->space >= member->space) return false;
    bool present = lives_present(lives, life->name) == life;
    yield_space(lives, life);
    if (present) present_remove(lives, life);
    member->admission = notice->admission;
    member->space = notice->space;
    member->ordinal = notice->ordinal;
    if (present) present_insert(lives, life);
    claim_space(lives, life);
    note_admission(lives, notice->admission);
    return true;
}

void lives_set_space(struct lives *lives, struct life *life, uint64_t space) {
    yield_space(lives, life);
    life->member.space = space;
    claim_space(lives, life);
}

bool lives_merge(struct lives *lives, struct life *life, const struct life_notice *notice) {
    bool changed = merge_admission(lives, life, notice);
    if (notice->replaced && !life->replaced) {
        life->replaced = true;
        changed = true;
    }
    return changed;
}

void lives_describe(const struct life *life, struct life_notice *notice_out) {
    const struct member *member = &life->member;
    *notice_out = (struct life_notice){.incarnation = member->incarnation,
                                       .space = member->space,
                                       .admission = member->admission,
                                       .ordinal = member->ordinal,
                                       .state = member->state,
                                       .replaced = life->replaced};
    snprintf(notice_out->name, sizeof(notice_out->name), "%s", member->name);
    snprintf(notice_out->endpoint, sizeof(notice_out->endpoint), "%s", member->endpoint);
    snprintf(notice_out->control, sizeof(notice_out->control), "%s", member->control);
    memcpy(notice_out->public_key, member->public_key, MEMBER_KEY_BYTES);
}

/* ---- lookups ---- */

struct life *lives_present(const struct lives *lives, const char *name) {
    return map_text_find(&lives->by_name, name);
}

struct life *lives_find(const struct lives *lives, const char *name, uint64_t incarnation) {
    char key[LIFE_KEY_BYTES];
    life_key(key, name, incarnation);
    return map_text_find(&lives->by_life, key);
}

struct life *lives_by_space(const struct lives *lives, uint64_t space) {
    return map_u64_find(&lives->by_space, space);
}

struct life *lives_by_ordinal(const struct lives *lives, const char *name, uint32_t ordinal) {
    struct life *life = lives_present(lives, name);
    while (life != NULL && life->member.ordinal != ordinal) life = life->before;
    return life;
}

uint32_t lives_next_ordinal(const struct lives *lives, const char *name) {
    uint32_t next = 0;
    for (struct life *life = lives_present(lives, name); life != NULL; life = life->before) {
        if (life->member.ordinal >= next) next = life->member.ordinal + 1;
    }
    return next;
}

void lives_rank(struct lives *lives) {
    uint32_t rank = 0;
    for (size_t i = 0; i < lives->present_count; i++) {
        struct member *member = &lives->present[i]->member;
        member->rank = member_is_up(member) ? rank++ : MEMBER_NO_RANK;
    }
}

struct life *lives_next(const struct lives *lives, size_t *cursor) {
    return map_text_next(&lives->by_life, cursor, NULL);
}
