/*
 * status.c - names and texts of the status codes, from the one list in troupe.h.
 */
#include <troupe.h>

const char *tr_status_name(tr_status status) {
    switch (status) {
#define STATUS_NAME(code, text) \
    case code:                  \
        return #code;
        TR_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
        default:
            return "TR_EUNKNOWN";
    }
}

const char *tr_status_text(tr_status status) {
    switch (status) {
#define STATUS_TEXT(code, text) \
    case code:                  \
        return text;
        TR_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
        default:
            return "unknown status";
    }
}
