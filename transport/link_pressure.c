/*
 * link_pressure.c - pressure notices, so that no credit overtakes the mark it followed (I3).
 *
 * Every frame of the session carries all notices that the peer has not confirmed, oldest first.
 * So whichever frame brings a credit also brings each notice given before it, whatever was
 * lost on the way. A frame that cannot hold them all grants nothing that was not granted before.
 */
#include "node/base/container.h"
#include "node/base/memory.h"
#include "transport/link_state.h"

struct notice {
    list_node node; /* in `unseen` while the peer has not confirmed it */
    tr_pid pid;
    enum frame_pressure level;
    uint64_t version;
};

void link_pressure_init(struct link *link) {
    map_pid_init(&link->pressure.notices);
    list_init(&link->pressure.unseen);
    link->pressure.repeat_at = NEVER;
}

void link_pressure_fini(struct link *link) {
    size_t cursor = 0;
    struct notice *notice;
    while ((notice = map_pid_next(&link->pressure.notices, &cursor, NULL)) != NULL)
        mem_free(notice);
    map_pid_fini(&link->pressure.notices);
}

/* Gives the notice the next version and puts it last among the unseen. */
static void tell(struct link *link, struct notice *notice) {
    struct link_pressure *pressure = &link->pressure;
    list_remove(&pressure->unseen, &notice->node);
    notice->version = ++pressure->version;
    list_push_back(&pressure->unseen, &notice->node);
    pressure->tell_now = true;
}

static void forget(struct link *link, struct notice *notice) {
    list_remove(&link->pressure.unseen, &notice->node);
    map_pid_remove(&link->pressure.notices, notice->pid);
    mem_free(notice);
}

void link_pressure(struct link *link, tr_pid pid, enum frame_pressure level) {
    struct notice *notice = map_pid_find(&link->pressure.notices, pid);
    if (notice == NULL) {
        if (level == PRESSURE_FREE) return;
        notice = mem_zalloc(1, sizeof *notice);
        notice->pid = pid;
        map_pid_put(&link->pressure.notices, pid, notice);
    } else if (notice->level == level) {
        return;
    }
    notice->level = level;
    tell(link, notice);
    link->stats.notices_sent++;
    /* Without a session nobody was told of the mark, so nobody needs to hear that it is over. */
    if (level == PRESSURE_FREE && !link_in_session(link)) forget(link, notice);
}

/* A new session knows nothing: what still holds is told again, before any credit. */
void link_pressure_start(struct link *link) {
    size_t cursor = 0;
    struct notice *notice;
    link->pressure.peer_version = 0;
    while ((notice = map_pid_next(&link->pressure.notices, &cursor, NULL)) != NULL) {
        if (notice->level == PRESSURE_FREE) {
            forget(link, notice);
        } else {
            tell(link, notice);
        }
    }
}

void link_pressure_put(struct link *link, struct frame_header *header, struct frame_notice *notices,
                       uint64_t now) {
    struct link_pressure *pressure = &link->pressure;
    list_node *node = list_first(&pressure->unseen);
    for (; node != NULL && header->notice_count < FRAME_NOTICES_MAX;
         node = list_next(&pressure->unseen, node)) {
        const struct notice *notice = container_of(node, struct notice, node);
        notices[header->notice_count++] = (struct frame_notice){
            .pid = notice->pid, .version = notice->version, .level = notice->level};
    }
    header->notices = notices;
    header->notices_seen = pressure->peer_version;
    if (node != NULL) {
        header->credit_bytes = link->receiver.granted_bytes;
        header->credit_sequence = link->receiver.granted;
    }
    pressure->tell_now = false;
    pressure->repeat_at =
        list_empty(&pressure->unseen) ? NEVER : now + link_sender_probe_delay(link);
}

/* The peer has seen all up to `version`. */
static bool confirm(struct link *link, uint64_t version) {
    struct link_pressure *pressure = &link->pressure;
    if (version > pressure->version) return false;
    bool full = list_count(&pressure->unseen) > FRAME_NOTICES_MAX;
    list_node *node;
    while ((node = list_first(&pressure->unseen)) != NULL) {
        struct notice *notice = container_of(node, struct notice, node);
        if (notice->version > version) {
            if (full) pressure->tell_now = true; /* room for those left out, and for the credit */
            return true;
        }
        list_remove(&pressure->unseen, node);
        if (notice->level == PRESSURE_FREE) forget(link, notice);
    }
    pressure->repeat_at = NEVER;
    return true;
}

bool link_pressure_take(struct link *link, struct frame_header *header, uint64_t now) {
    uint64_t changes = link->changes;
    if (!confirm(link, header->notices_seen)) return false;
    struct frame_notice notice;
    while (frame_next_notice(header, &notice)) {
        if (notice.version <= link->pressure.peer_version) continue;
        link->pressure.peer_version = notice.version;
        link->stats.notices_received++;
        if (link->receiver.ack_at > now + ACK_DELAY) link->receiver.ack_at = now + ACK_DELAY;
        link->ops->peer_pressure(link->user, link, notice.pid, notice.level, notice.version);
        if (link->changes != changes) return true;
    }
    return true;
}
