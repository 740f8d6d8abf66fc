#include "registry/member.h"

#include <string.h>

const char *member_state_name(enum member_state state) {
    switch (state) {
        case MEMBER_UNKNOWN:
            return "unknown";
        case MEMBER_JOINING:
            return "joining";
        case MEMBER_UP:
            return "up";
        case MEMBER_SUSPECT:
            return "suspect";
        case MEMBER_DOWN:
            return "down";
        case MEMBER_LEFT:
            return "left";
    }
    return "unknown";
}

int member_compare_age(const struct member *a, const struct member *b) {
    if (a->admission != b->admission) return a->admission < b->admission ? -1 : 1;
    if (a->incarnation != b->incarnation) return a->incarnation < b->incarnation ? -1 : 1;
    return strcmp(a->name, b->name);
}

bool member_name_valid(const char *name) {
    size_t bytes = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    return bytes > 0 && bytes < MEMBER_NAME_BYTES && name[bytes] == '\0';
}
