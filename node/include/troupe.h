/*
 * troupe.h - the public interface of troupe, a distributed actor node in C.
 *
 * A program describes its data as records (TR_RECORD), its actors as behaviors (tr_behavior), and
 * offers the behaviors to a node (tr_node_open, tr_node_offer, tr_node_run) or to a daemon as a
 * shared object (TR_EXPORT, `trouped --load FILE.so`). An actor is spawned, found and sent to in
 * the same way on this node and on any other.
 *
 * Threads: functions that take a `tr_actor *` may be called only inside a handler, init or stop
 * callback of that very actor. Functions that take a `tr_port *` or `tr_node *` are for plain
 * threads and never for a handler, since they may block. All sizes are in bytes; times carry
 * their unit in the name. A result passed through `*_out` is untouched when a function fails.
 * C++ may include this header and use the functions; the record macros are for C.
 */
#ifndef TROUPE_H
#define TROUPE_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TR_VERSION "0.1.0"
/* Grows when the layout of a struct in this header changes; a shared object names the one it was
 * built for. */
#define TR_ABI 1

#if defined(__GNUC__)
#define TR_API __attribute__((visibility("default")))
#define TR_PRINTF(text, first) __attribute__((format(printf, text, first)))
#ifdef __cplusplus
#define TR_WEAK /* g++ takes no weak constants; C++ programs export one table */
#else
#define TR_WEAK __attribute__((weak))
#endif
#else
#define TR_API
#define TR_PRINTF(text, first)
#define TR_WEAK
#endif

/* ---- status ---------------------------------------------------------------------------------- */

#define TR_STATUS_LIST(X)                                  \
    X(TR_OK, "ok")                                         \
    X(TR_EFULL, "mailbox or queue full; nothing was sent") \
    X(TR_EINVAL, "invalid argument")                       \
    X(TR_ENOENT, "not found")                              \
    X(TR_EEXIST, "exists already")                         \
    X(TR_ETIMEDOUT, "timed out")                           \
    X(TR_EUNREACHABLE, "node unreachable")                 \
    X(TR_EREFUSED, "refused")                              \
    X(TR_EDATA, "bad data")                                \
    X(TR_ECONFIG, "bad configuration")                     \
    X(TR_EIO, "input or output error")                     \
    X(TR_ENOSPC, "disk full")                              \
    X(TR_ENOTSUP, "not supported")                         \
    X(TR_EBUSY, "busy")                                    \
    X(TR_ECLOSED, "closed")                                \
    X(TR_EFAILED, "the actor failed")                      \
    X(TR_EDEAD, "no such actor, or it has ended")          \
    X(TR_ETOOBIG, "too big")                               \
    X(TR_EABORTED, "aborted")                              \
    X(TR_ECHECK, "a check failed")                         \
    X(TR_EINTR, "interrupted")                             \
    X(TR_EINTERNAL, "internal error")

typedef enum tr_status {
#define TR_STATUS_ENUM_(code, text) code,
    TR_STATUS_LIST(TR_STATUS_ENUM_)
#undef TR_STATUS_ENUM_
        TR_STATUS_COUNT
} tr_status;

/* "TR_EFULL", and "mailbox or queue full; ..."; static strings, any thread. Unknown values give
 * "TR_EUNKNOWN". */
TR_API const char *tr_status_name(tr_status status);
TR_API const char *tr_status_text(tr_status status);

/* What went wrong, for people: `message` names what and where, `hint` what to do (may be empty). */
typedef struct tr_error {
    tr_status status;
    char message[512];
    char hint[256];
} tr_error;

/* ---- values ---------------------------------------------------------------------------------- */

/* An actor's address, unique for ever in its cluster. `space` is a random number drawn by one life
 * of one node; all zero is "nobody". */
typedef struct tr_pid {
    uint64_t space;
    uint32_t slot;
    uint32_t generation;
} tr_pid;

/* The right to answer one ask; may be kept in a state or sent on. `id` 0 means there is no ask to
 * answer. */
typedef struct tr_request {
    tr_pid from;
    uint64_t id;
} tr_request;

/* W3C trace context of the flow a message belongs to; an all-zero id is "none". */
typedef struct tr_trace {
    uint8_t id[16];
    uint64_t span;
} tr_trace;

/* Variable text (UTF-8, need not end in NUL), bytes, and lists (items of one kind, packed as a C
 * array). Inside a message they are borrowed with it; inside a state they belong to the actor: see
 * tr_text_set. */
typedef struct tr_text {
    const char *data;
    uint32_t bytes;
} tr_text;

typedef struct tr_bytes {
    const uint8_t *data;
    uint32_t bytes;
} tr_bytes;

typedef struct tr_list {
    const void *items;
    uint32_t count;
} tr_list;

typedef struct tr_actor tr_actor;
typedef struct tr_message tr_message;
typedef struct tr_node tr_node;
typedef struct tr_port tr_port;

/* ---- records --------------------------------------------------------------------------------- */

/* The kind of one field, or of one element where the field is an array or a list. */
enum {
    TR_KIND_NONE = 0, /* a type that cannot travel; its behavior is refused with the field's name */
    TR_KIND_I8,
    TR_KIND_I16,
    TR_KIND_I32,
    TR_KIND_I64,
    TR_KIND_U8,
    TR_KIND_U16,
    TR_KIND_U32,
    TR_KIND_U64,
    TR_KIND_F32,
    TR_KIND_F64,
    TR_KIND_BOOL,
    TR_KIND_CHARS,   /* char[N]: text up to the first NUL, at most N bytes */
    TR_KIND_OCTETS,  /* uint8_t[N]: exactly N bytes */
    TR_KIND_TEXT,    /* tr_text */
    TR_KIND_BYTES,   /* tr_bytes */
    TR_KIND_PID,     /* tr_pid */
    TR_KIND_REQUEST, /* tr_request */
    TR_KIND_RECORD,  /* a nested struct with a record of its own */
    TR_KIND_MASK = 0x3f,
    TR_KIND_LIST = 0x40,  /* flag: the field is a tr_list of that kind */
    TR_KIND_ARRAY = 0x80, /* flag: the field is a C array of that kind */
};

struct tr_record;

/* One field. `bytes` is the field's whole size in the struct; `nested` is set for TR_KIND_RECORD.
 */
typedef struct tr_field {
    const char *name;
    uint32_t kind;
    uint32_t offset;
    uint32_t bytes;
    const struct tr_record *nested;
} tr_field;

/* A struct's descriptor; `fields` ends with an entry whose name is NULL. Must outlive every node
 * that has seen it. */
typedef struct tr_record {
    const char *name;
    uint32_t bytes;
    uint32_t alignment;
    const tr_field *fields;
} tr_record;

/* TR_RECORD(account, TR_FIELD(account, cents)); describes struct account as account_record, private
 * to the file. For a record that several files share: TR_RECORD_DECLARE in the header,
 * TR_RECORD_DEFINE in one file. */
#define TR_RECORD(...) TR_RECORD_(static const, __VA_ARGS__, {0})
#define TR_RECORD_DEFINE(...) TR_RECORD_(const, __VA_ARGS__, {0})
#define TR_RECORD_DECLARE(T) extern const tr_record T##_record
#define TR_RECORD_(storage, T, ...)                                           \
    storage tr_record T##_record = {#T, sizeof(struct T), _Alignof(struct T), \
                                    (const tr_field[]){__VA_ARGS__}}

/* One field of struct T, its kind found from its type: integers, floats, bool, char[N], uint8_t[N],
 * tr_text, tr_bytes, tr_pid, tr_request, and C arrays of these. */
#define TR_FIELD(T, f)                                                                   \
    {                                                                                    \
#f, TR_KIND_OF_(&((struct T *)0)->f, ((struct T *)0)->f), offsetof(struct T, f), \
            sizeof(((struct T *)0)->f), 0                                                \
    }
/* A field that is a struct R (or an array of them) with a record of its own. */
#define TR_FIELD_RECORD(T, f, R)                                                          \
    {                                                                                     \
#f,                                                                                     \
            _Generic(&((struct T *)0)->f, struct R *: TR_KIND_RECORD, struct R **: TR_KIND_NONE, \
                     default: TR_KIND_RECORD | TR_KIND_ARRAY),                               \
            offsetof(struct T, f), sizeof(((struct T *)0)->f), &R##_record \
    }
/* A tr_list whose items are of the scalar type `type` (int64_t, tr_pid, tr_text, ...) or of struct
 * R. */
#define TR_FIELD_LIST(T, f, type)                                                           \
    {                                                                                       \
#f, TR_KIND_LIST | TR_KIND_SCALAR_((type *)0, TR_KIND_NONE), offsetof(struct T, f), \
            sizeof(tr_list), 0                                                              \
    }
#define TR_FIELD_LIST_RECORD(T, f, R) \
    { #f, TR_KIND_LIST | TR_KIND_RECORD, offsetof(struct T, f), sizeof(tr_list), &R##_record }

#define TR_KIND_INT_(type, is_signed)                              \
    (sizeof(type) == 1   ? (is_signed ? TR_KIND_I8 : TR_KIND_U8)   \
     : sizeof(type) == 2 ? (is_signed ? TR_KIND_I16 : TR_KIND_U16) \
     : sizeof(type) == 4 ? (is_signed ? TR_KIND_I32 : TR_KIND_U32) \
                         : (is_signed ? TR_KIND_I64 : TR_KIND_U64))
#define TR_KIND_SCALAR_(pointer, otherwise) \
    _Generic((pointer), signed char *: TR_KIND_I8, short *: TR_KIND_INT_(short, 1),               \
        int *: TR_KIND_INT_(int, 1), long *: TR_KIND_INT_(long, 1),                               \
        long long *: TR_KIND_INT_(long long, 1), char *: TR_KIND_I8,                              \
        unsigned char *: TR_KIND_U8, unsigned short *: TR_KIND_INT_(unsigned short, 0),           \
        unsigned *: TR_KIND_INT_(unsigned, 0), unsigned long *: TR_KIND_INT_(unsigned long, 0),   \
        unsigned long long *: TR_KIND_INT_(unsigned long long, 0), float *: TR_KIND_F32,          \
        double *: TR_KIND_F64, _Bool *: TR_KIND_BOOL, tr_text *: TR_KIND_TEXT,                    \
        tr_bytes *: TR_KIND_BYTES, tr_pid *: TR_KIND_PID, tr_request *: TR_KIND_REQUEST,          \
        default: otherwise)
/* `pointer` is the field's address, which keeps char[32] from decaying; a field that is itself a
 * pointer has no kind. */
#define TR_KIND_OF_(pointer, field) \
    TR_KIND_SCALAR_(pointer,                                                                      \
                    _Generic((field), char *: _Generic((pointer), char **: TR_KIND_NONE,          \
                                                       default: TR_KIND_CHARS),                   \
                             unsigned char *: _Generic((pointer), unsigned char **: TR_KIND_NONE, \
                                                       default: TR_KIND_OCTETS),                  \
                             default: TR_KIND_ARRAY_(pointer, field)))
#define TR_KIND_ARRAY_(pointer, field) \
    _Generic((pointer), signed char **: TR_KIND_NONE, short **: TR_KIND_NONE, int **: TR_KIND_NONE, \
        long **: TR_KIND_NONE, long long **: TR_KIND_NONE, unsigned short **: TR_KIND_NONE,       \
        unsigned **: TR_KIND_NONE, unsigned long **: TR_KIND_NONE,                                \
        unsigned long long **: TR_KIND_NONE, float **: TR_KIND_NONE, double **: TR_KIND_NONE,     \
        _Bool **: TR_KIND_NONE, tr_text **: TR_KIND_NONE, tr_bytes **: TR_KIND_NONE,              \
        tr_pid **: TR_KIND_NONE, tr_request **: TR_KIND_NONE,                                     \
        default: TR_KIND_FLAG_(TR_KIND_SCALAR_(field, TR_KIND_NONE)))
#define TR_KIND_FLAG_(kind) ((kind) == TR_KIND_NONE ? TR_KIND_NONE : ((kind) | TR_KIND_ARRAY))

/* `deposit, .cents = 5` as a descriptor and a struct that cannot disagree. */
#define TR_VALUE_(T, ...)                    \
    &T##_record, __extension__ &(struct T) { \
        __VA_ARGS__                          \
    }

/* ---- behaviors ------------------------------------------------------------------------------- */

/* Handles one message. `state` is the actor's own struct; the message and its body are borrowed
 * until the handler returns. Any result but TR_OK (use tr_fail to say why) ends the actor; its
 * waiting mail becomes dead letters. */
typedef tr_status (*tr_handle)(tr_actor *self, void *state, const tr_message *message);

typedef struct tr_handler {
    const tr_record *record;
    tr_handle handle;
} tr_handler;

#define TR_HANDLERS(...)   \
    (const tr_handler[]) { \
        __VA_ARGS__, {     \
            0              \
        }                  \
    }

/* What an actor is. All strings and tables must outlive the node. `state` may be NULL for a
 * stateless behavior; a state starts as all zero or as the spawner's `options.state`. */
typedef struct tr_behavior {
    const char *name; /* how other nodes and the command line spawn it */
    uint32_t version;
    const tr_record *state;
    const tr_handler *handlers;                     /* ends with an entry whose record is NULL */
    tr_status (*init)(tr_actor *self, void *state); /* before the first message; may be NULL */
    void (*stop)(tr_actor *self, void *state, tr_status reason); /* last; may send; may be NULL */
} tr_behavior;

/* TR_EXPORT(&account_behavior, &teller_behavior); declares a shared object's table, at file scope,
 * once. Where several such files are linked into one program, only one table counts: offer the
 * behaviors one by one there. */
TR_API extern const tr_behavior
    *const tr_exported_behaviors[]; /* ends with NULL; defined by TR_EXPORT alone */
TR_API extern const uint32_t tr_exported_abi;
#define TR_EXPORT(...)                                                              \
    TR_WEAK const tr_behavior *const tr_exported_behaviors[] = {__VA_ARGS__, NULL}; \
    TR_WEAK const uint32_t tr_exported_abi = TR_ABI

/* ---- inside a handler: messages -------------------------------------------------------------- */

/* The body, as the struct of the handler's record. Borrowed until the handler returns. */
TR_API const void *tr_body(const tr_message *message);
/* The context given to tr_ask (or to a remote tr_spawn) when this message is its outcome; NULL
 * otherwise. */
TR_API const void *tr_context(const tr_message *message);
/* Who sent it; all zero when it came from the runtime itself. */
TR_API tr_pid tr_sender(const tr_message *message);
/* The message's record name; borrowed as long as the message. */
TR_API const char *tr_record_name(const tr_message *message);
TR_API tr_trace tr_trace_of(const tr_message *message);
/* The token to answer this message with later; its id is 0 when the message was not an ask. */
TR_API tr_request tr_request_of(const tr_message *message);

/* Sends a copy of `*body` to `to`. Returns TR_OK when the message was accepted: it will reach the
 * mailbox, in order after all this actor sent to `to` before, or become a counted dead letter.
 * TR_EFULL: the receiver's hard mark, or its node's pressure or send queue, is full; nothing was
 * sent. TR_EDATA: the record cannot travel. TR_ETOOBIG: the body is over the message limit.
 * TR_EUNREACHABLE: the target's node is known but there is no session with it now; nothing was
 * sent. Sending past the receiver's high mark is accepted, and this actor then pauses after
 * the current message until the receiver has caught up. tr_send(self, to, deposit, .cents = 5) is
 * the short form. */
TR_API tr_status tr_send_record(tr_actor *self, tr_pid to, const tr_record *record,
                                const void *body);
#define tr_send(self, to, ...) tr_send_record(self, to, TR_VALUE_(__VA_ARGS__, ))

/* Options of an ask; all zero is a 5 s timeout, no context, mailbox goes on meanwhile. */
typedef struct tr_ask_options {
    uint64_t timeout_ms; /* 0 means 5000 */
    bool hold;           /* handle nothing else until the reply or the timeout */
    const tr_record *context_record;
    const void *context; /* copied; found again with tr_context in the reply's handler */
} tr_ask_options;
#define TR_ASK(...)                   \
    __extension__ &(tr_ask_options) { \
        __VA_ARGS__                   \
    }
#define TR_CONTEXT(T, ...)                                                 \
    .context_record = &T##_record, .context = __extension__ & (struct T) { \
        __VA_ARGS__                                                        \
    }

/* Sends a request and remembers to expect one reply, which arrives as an ordinary message handled
 * by the behavior's entry for the reply's record. When none can come, a tr_ask_failed message
 * arrives instead. Errors: as tr_send_record. tr_ask(self, to, TR_ASK(.timeout_ms = 1000,
 * TR_CONTEXT(pending, .n = 3)), get) is the short form. */
TR_API tr_status tr_ask_record(tr_actor *self, tr_pid to, const tr_ask_options *options,
                               const tr_record *record, const void *body);
#define tr_ask(self, to, options, ...) tr_ask_record(self, to, options, TR_VALUE_(__VA_ARGS__, ))

/* The outcome of an ask that got no reply. */
struct tr_ask_failed {
    int32_t status; /* a tr_status: TR_ETIMEDOUT, TR_EDEAD, TR_EUNREACHABLE, TR_EDATA, TR_EFAILED */
    tr_pid target;
    char record[48]; /* the request's record name */
};
TR_API extern const tr_record tr_ask_failed_record;

/* Answers an ask, now (with its message) or later (with its token), once. Replies are never refused
 * for fullness. TR_EINVAL: `message` or `request` is no ask. A second answer, or one after the
 * timeout, becomes a dead letter. */
TR_API tr_status tr_reply_record(tr_actor *self, const tr_message *message, const tr_record *record,
                                 const void *body);
TR_API tr_status tr_answer_record(tr_actor *self, tr_request request, const tr_record *record,
                                  const void *body);
#define tr_reply(self, message, ...) tr_reply_record(self, message, TR_VALUE_(__VA_ARGS__, ))
#define tr_answer(self, request, ...) tr_answer_record(self, request, TR_VALUE_(__VA_ARGS__, ))

/* A timer: a message to oneself after `delay_ms`. `*timer_out` (may be NULL) names it for
 * tr_timer_cancel, which returns TR_ENOENT when its message has been handled already. */
typedef uint64_t tr_timer;
TR_API tr_status tr_send_after_record(tr_actor *self, uint64_t delay_ms, tr_timer *timer_out,
                                      const tr_record *record, const void *body);
#define tr_send_after(self, delay_ms, ...) \
    tr_send_after_record(self, delay_ms, NULL, TR_VALUE_(__VA_ARGS__, ))
TR_API tr_status tr_timer_cancel(tr_actor *self, tr_timer timer);

/* ---- inside a handler: actors ---------------------------------------------------------------- */

typedef enum tr_overflow {
    TR_OVERFLOW_BLOCK = 0, /* mute senders above `high` until below `low`; refuse above `hard` */
    TR_OVERFLOW_REJECT,
    TR_OVERFLOW_DROP_NEWEST,
    TR_OVERFLOW_DROP_OLDEST,
    TR_OVERFLOW_SPILL,
    TR_OVERFLOW_UNBOUNDED
} tr_overflow; /* only BLOCK exists yet; others are refused with TR_ENOTSUP */

/* A mailbox's marks, in messages; zero fields take the node's defaults (high 1000, low high / 2,
 * hard 16 * high). Refused with TR_EINVAL unless low < high < hard <= 1,000,000. */
typedef struct tr_mailbox_options {
    tr_overflow overflow;
    uint32_t low;
    uint32_t high;
    uint32_t hard;
} tr_mailbox_options;

/* Options of a spawn; all zero is an anonymous actor on this node. */
typedef struct tr_spawn_options {
    const char *name;  /* claimed in the whole cluster before the actor starts; 1 to 255 bytes, no
                          '/' and no spaces */
    const char *node;  /* a member's name; NULL means this node */
    const void *state; /* the initial state, as the behavior's state struct; NULL means all zero */
    tr_mailbox_options mailbox;
    const tr_record *context_record; /* of a remote or named spawn by a behavior with a handler for
                                        tr_spawned: comes back with that message */
    const void *context;
    const char *supervisor; /* later; must be NULL */
} tr_spawn_options;
#define TR_SPAWN(...)                   \
    __extension__ &(tr_spawn_options) { \
        __VA_ARGS__                     \
    }

/*
 * Spawns an actor; its pid is in `*pid_out` (may be NULL) when the call returns.
 *
 * On this node it exists then. On another node it is on its way: what is sent to the pid, from here
 * at once or by anybody who is told of it, reaches it after its birth. A behavior with a handler
 * for tr_spawned gets that message with the outcome, success or not. One without costs no answer; a
 * failure (no such behavior there, a state that does not fit, init failed, the session ended) is
 * logged and counted here, and what was sent to the pid becomes dead letters.
 *
 * Nodes lend each other slots for this ahead of time. When a flood of spawns has used them up for
 * the moment, a behavior with a handler spawns all the same, with `*pid_out` all zero: the pid
 * comes with tr_spawned. One without gets TR_EFULL, nothing was sent, and after its present message
 * the actor is not run until there are slots again, so it may send itself the rest of the work and
 * needs no timer. The same holds while the queue to that node is full.
 *
 * With a name, anywhere, the outcome arrives as tr_spawned, which the behavior must handle, and
 * `*pid_out` is all zero. Errors: TR_ENOENT no such node, or (here) behavior, TR_EINVAL,
 * TR_ENOTSUP, TR_EFULL, TR_EUNREACHABLE no session with that node, TR_ETOOBIG the state.
 */
TR_API tr_status tr_spawn(tr_actor *self, const tr_behavior *behavior,
                          const tr_spawn_options *options, tr_pid *pid_out);
/* The same by the behavior's name, which only the target node needs to offer; `options->state` is
 * then described by `state_record`, or NULL. */
TR_API tr_status tr_spawn_by_name(tr_actor *self, const char *behavior,
                                  const tr_record *state_record, const tr_spawn_options *options,
                                  tr_pid *pid_out);

struct tr_spawned {
    int32_t status; /* TR_OK, TR_ENOENT, TR_EEXIST (name taken), TR_EFAILED (init), TR_EDATA,
                       TR_ECLOSED; TR_EUNREACHABLE and TR_ETIMEDOUT: it may live or not */
    tr_pid pid;     /* also of one that failed, when it was known */
    char reason[128];
};
TR_API extern const tr_record tr_spawned_record;

TR_API tr_pid tr_self(const tr_actor *self);
/* Ends this actor normally once the current handler has returned TR_OK. */
TR_API void tr_exit(tr_actor *self);
/* Asks another actor to end normally: it handles no further message, its stop callback runs. */
TR_API tr_status tr_stop(tr_actor *self, tr_pid pid);
/* Records why, and returns TR_EFAILED for the handler to return. */
TR_API tr_status tr_fail(tr_actor *self, const char *format, ...) TR_PRINTF(2, 3);

/* Claims a name for this actor in the whole cluster. The outcome arrives as a tr_name_result
 * message if the behavior has an entry for it; without one a refusal is logged. */
TR_API tr_status tr_register(tr_actor *self, const char *name);
struct tr_name_result {
    int32_t status; /* TR_OK, TR_EEXIST (held by `pid`), TR_ETIMEDOUT; TR_EABORTED: lost to an older
                       claim */
    tr_pid pid;
    tr_text name;
};
TR_API extern const tr_record tr_name_result_record;
/* Finds a name in this node's copy of the cluster's table; no message, no wait. */
TR_API tr_status tr_whereis(tr_actor *self, const char *name, tr_pid *pid_out);

/* The members that are up, this node included, oldest first: how many, and the name of one
 * (borrowed until the handler returns; NULL past the end). */
TR_API size_t tr_member_count(tr_actor *self);
TR_API const char *tr_member_name(tr_actor *self, size_t index);
TR_API const char *tr_node_name(tr_actor *self);

/* Nanoseconds since 1970 by the node's clock, never going backwards (virtual in the simulator). */
TR_API uint64_t tr_now(const tr_actor *self);
/* 64 random bits from the actor's node, reproducible in the simulator; not for secrets. */
TR_API uint64_t tr_random(tr_actor *self);

typedef enum tr_log_level { TR_DEBUG, TR_INFO, TR_WARN, TR_ERROR } tr_log_level;
/* One log line that carries this actor's pid and the trace id of the message it is handling. */
TR_API void tr_log(tr_actor *self, tr_log_level level, const char *format, ...) TR_PRINTF(3, 4);

/* Sets a variable field of this actor's state to a copy; the old value is freed, and the last one
 * with the actor. `field` must point into the state. */
TR_API tr_status tr_text_set(tr_actor *self, tr_text *field, const char *data, size_t bytes);
TR_API tr_status tr_bytes_set(tr_actor *self, tr_bytes *field, const void *data, size_t bytes);
TR_API tr_status tr_list_set(tr_actor *self, tr_list *field, const void *items, uint32_t count);

/* A pid as people write it ("n2/17.3", "n2:1/17.3", "-" for nobody); cut to fit. Returns `out`. */
#define TR_PID_TEXT_MAX 96
TR_API char *tr_pid_text(tr_actor *self, tr_pid pid, char *out, size_t out_bytes);
TR_API bool tr_pid_equal(tr_pid a, tr_pid b);
TR_API bool tr_pid_is_none(tr_pid pid);

/* ---- nodes ----------------------------------------------------------------------------------- */

typedef enum tr_security {
    TR_SECURITY_CURVE = 0, /* encrypted and authenticated links; keys made on first use */
    TR_SECURITY_NONE       /* plaintext, allowed on loopback only */
} tr_security;

/* Options of a node; zero fields take the defaults in brackets. All strings are copied. */
typedef struct tr_node_options {
    const char *name;         /* ["n1"] 1 to 63 of [A-Za-z0-9_-], unique in its cluster */
    const char *cluster;      /* ["troupe"] nodes of another cluster are refused */
    const char *dir;          /* [required] folder for keys, snapshots, floors; made if missing */
    const char *keys_dir;     /* [DIR/keys] holds NAME.key and the others' NAME.pub */
    const char *snapshot_dir; /* [DIR/snapshots] */
    const char *listen;       /* ["tcp://127.0.0.1:0"] for other nodes; port 0 picks a free one */
    const char *advertise;    /* [the bound endpoint] what others connect to */
    const char *control;      /* ["tcp://127.0.0.1:0"] for the control program */
    const char *const *seeds; /* [none: found a new cluster] endpoints, NULL-terminated;
                                 NAME@ENDPOINT names the key */
    tr_security security;
    unsigned workers;           /* [one a core] */
    tr_mailbox_options mailbox; /* defaults of the actors' mailboxes */
    uint32_t message_bytes_max; /* [1 MiB] */
    uint64_t suspect_after_ms;  /* [3000] silence before a member is suspected */
    uint64_t down_after_ms;     /* [10000] silence before it is declared down */
    uint64_t slow_handler_ms;   /* [1000] a handler that ran longer is reported */
    const char *log_path;       /* [stderr] */
    const char *log_format;     /* ["auto"] "logfmt", "json", or "auto": logfmt on a terminal */
    tr_log_level log_level; /* [TR_DEBUG means TR_INFO; use TR_NODE_LOG_DEBUG to see debug lines] */
    uint32_t flags;
} tr_node_options;
enum {
    TR_NODE_LOG_DEBUG = 1 /* log debug lines too */
};

/* Opens a node: makes its folder and keys, binds its endpoints. Errors (with `*error` filled, which
 * may be NULL): TR_ECONFIG, TR_EIO (a port in use, a folder not writable), TR_EREFUSED (listening
 * beyond loopback without keys). */
TR_API tr_status tr_node_open(const tr_node_options *options, tr_node **node_out, tr_error *error);
/* Offers a behavior to be spawned here by name. Before tr_node_start or tr_node_run. Errors:
 * TR_EINVAL a field or handler that cannot travel, TR_EEXIST the name is offered already; `*error`
 * says which. */
TR_API tr_status tr_node_offer(tr_node *node, const tr_behavior *behavior, tr_error *error);
/* Loads a shared object and offers what it exports. Errors: TR_ENOENT, TR_EDATA no table or another
 * TR_ABI. */
TR_API tr_status tr_node_load(tr_node *node, const char *path, tr_error *error);
/* Starts the node's threads and joins the cluster in the background. */
TR_API tr_status tr_node_start(tr_node *node, tr_error *error);
/* Blocks until the node is up in its cluster. TR_ETIMEDOUT, TR_EREFUSED (the cluster refused it),
 * TR_ECLOSED. */
TR_API tr_status tr_node_wait_up(tr_node *node, uint64_t timeout_ms, tr_error *error);
/* Starts the node unless started, and blocks until it has stopped: after tr_node_stop, having left
 * its cluster. */
TR_API tr_status tr_node_run(tr_node *node);
/* Asks the node to leave its cluster and stop; returns at once. Any thread, also a signal handler.
 */
TR_API void tr_node_stop(tr_node *node);
/* Reads the folder of keys again (a new node's NAME.pub); returns at once. Any thread, also a
 * signal handler. */
TR_API void tr_node_reload(tr_node *node);
/* Stops the node if it runs, ends its actors (stop callbacks run), and frees it. Ports must be
 * closed before. */
TR_API void tr_node_close(tr_node *node);
/* The endpoints the node is bound to; borrowed until close. */
TR_API const char *tr_node_endpoint(const tr_node *node);
TR_API const char *tr_node_control_endpoint(const tr_node *node);

/* ---- ports: plain threads among actors ------------------------------------------------------- */

/* A port gives one plain thread at a time a pid, so that it can send, ask, spawn and receive. All
 * calls may block up to `timeout_ms` and return TR_ETIMEDOUT then (TR_EFULL for a send that found
 * no room until then). */
/* TR_EUNREACHABLE: the node is not up yet (tr_node_wait_up); TR_ECLOSED: it stops. */
TR_API tr_status tr_port_open(tr_node *node, tr_port **port_out);
TR_API void tr_port_close(tr_port *port);
TR_API tr_pid tr_port_pid(const tr_port *port);
TR_API tr_status tr_port_send_record(tr_port *port, tr_pid to, uint64_t timeout_ms,
                                     const tr_record *record, const void *body);
#define tr_port_send(port, to, timeout_ms, ...) \
    tr_port_send_record(port, to, timeout_ms, TR_VALUE_(__VA_ARGS__, ))
/* Sends a request and waits for its reply. `*reply_out` is the caller's: tr_message_free. Errors
 * besides those of a send: TR_ETIMEDOUT, TR_EDEAD, TR_EUNREACHABLE. */
TR_API tr_status tr_port_ask_record(tr_port *port, tr_pid to, uint64_t timeout_ms,
                                    tr_message **reply_out, const tr_record *record,
                                    const void *body);
#define tr_port_ask(port, to, timeout_ms, reply_out, ...) \
    tr_port_ask_record(port, to, timeout_ms, reply_out, TR_VALUE_(__VA_ARGS__, ))
/* Waits for the next message sent to the port's pid that is no reply. `expected` is how the caller
 * wants it decoded; a message of another record becomes a dead letter. */
TR_API tr_status tr_port_receive(tr_port *port, const tr_record *expected, uint64_t timeout_ms,
                                 tr_message **message_out);
/* Spawns by behavior name on any member and waits for the outcome, the name's claim included. */
TR_API tr_status tr_port_spawn(tr_port *port, const char *behavior, const tr_record *state_record,
                               const tr_spawn_options *options, uint64_t timeout_ms,
                               tr_pid *pid_out, tr_error *error);
TR_API tr_status tr_port_stop(tr_port *port, tr_pid pid);
TR_API tr_status tr_port_whereis(tr_port *port, const char *name, tr_pid *pid_out);
TR_API void tr_message_free(tr_message *message);

/* ---- snapshots ------------------------------------------------------------------------------- */

typedef struct tr_snapshot_info {
    char id[64]; /* its folder's name under every member's snapshot folder */
    uint64_t epoch;
    bool consistent; /* every link's counters agree (always so for a committed snapshot) */
    uint32_t nodes;
    uint64_t actors;
    uint64_t in_flight; /* messages recorded in channels */
    uint64_t bytes;
    uint64_t duration_ms;
} tr_snapshot_info;

/* Takes one consistent snapshot of the whole cluster (Chandy and Lamport 1985, coloured as by Lai
 * and Yang 1987) while everybody goes on working, and returns when its manifest is durable. Plain
 * threads only. Errors: TR_ETIMEDOUT, TR_EABORTED (`error` names the reason: member lost, session
 * ended, disk full, overtaken), TR_EBUSY. */
TR_API tr_status tr_snapshot(tr_node *node, uint64_t timeout_ms, tr_snapshot_info *info_out,
                             tr_error *error);

#ifdef __cplusplus
}
#endif
#endif
