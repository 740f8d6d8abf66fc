/*
 * wordcount.c - how often each word occurs in some files, counted by all nodes together.
 *
 * A splitter reads the files, as one stream, in chunks that end between two words. Mappers, some on
 * each node, count the words of one chunk at a time and send each word's count to the reducer that
 * its hash names, one on each node. A mapper gets its next chunk when it has passed the last one
 * on, so only one chunk a mapper is under way, however long the files are.
 *
 * The end is exact: a mapper sends `done` to each reducer behind all its counts, and a reducer
 * answers the splitter's `settle` when it has that of every mapper. All that is known is in the
 * actors' states and messages, so a snapshot has it too; files are opened anew for each chunk.
 *
 *     ask SPLITTER count {"files": ["/path", ...]}   -> counted {..., reducers}, or failed {reason}
 *     ask REDUCER  page  {"after": "word"}           -> words {entries, more}: the next ones,
 * sorted
 *
 * A word is letters A to Z in either case, counted in lower case. The reducers keep the words until
 * the splitter counts again or is stopped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 32 * 1024,
    WORD_BYTES_MAX = 256 * 1024, /* a longer one ends the count */
    LEVELS = 16,
    LEVEL_ENTRIES = 512, /* of the first level; each next one has room for twice as many */
    PAGE_ENTRIES = 5000,
    PAGE_BYTES = 256 * 1024,
    MAPPERS = 2, /* on each node, unless asked otherwise */
    MAPPERS_MAX = 64,
    TIMEOUT_MS = 30000, /* of what the splitter asks of mappers and reducers */
    RETRY_MS = 10       /* after a refusal */
};

/* ---- words and their counts ------------------------------------------------------------------ */

struct entry {
    tr_text word;
    uint64_t count;
};
TR_RECORD(entry, TR_FIELD(entry, word), TR_FIELD(entry, count));

/* The order of `sort` in the C locale. */
static int compare_words(tr_text a, tr_text b) {
    int order = memcmp(a.data, b.data, a.bytes < b.bytes ? a.bytes : b.bytes);
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_entries(const void *a, const void *b) {
    return compare_words(((const struct entry *)a)->word, ((const struct entry *)b)->word);
}

static bool is_letter(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* FNV-1a, to share the words out; the same on every node. */
static uint32_t owner_of(tr_text word, uint32_t reducers) {
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < word.bytes; i++) hash = (hash ^ (uint8_t)word.data[i]) * 16777619u;
    return hash % reducers;
}

/* Puts the text into `lower` in lower case and each of its words into `entries`, which has room for
 * one a two bytes; returns how many. */
static uint32_t find_words(tr_bytes text, char *lower, struct entry *entries) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < text.bytes; i++) {
        lower[i] = (char)(text.data[i] | 0x20); /* of no meaning for what is no letter */
        if (!is_letter(text.data[i])) continue;
        bool inside = i > 0 && is_letter(text.data[i - 1]);
        if (!inside) entries[count++] = (struct entry){.word = {lower + i, 0}, .count = 1};
        entries[count - 1].word.bytes++;
    }
    return count;
}

/* Sorts the entries and adds up those of one word; returns how many are left. */
static uint32_t sum_up(struct entry *entries, uint32_t count) {
    if (count == 0) return 0;
    qsort(entries, count, sizeof *entries, compare_entries);
    uint32_t last = 0;
    for (uint32_t i = 1; i < count; i++) {
        if (compare_entries(&entries[last], &entries[i]) == 0)
            entries[last].count += entries[i].count;
        else
            entries[++last] = entries[i];
    }
    return last + 1;
}

/* Merges two sorted lists into `out`, which has room for both; returns how many entries it has. */
static uint32_t merge(tr_list left, tr_list right, struct entry *out) {
    const struct entry *a = left.items, *b = right.items;
    const struct entry *a_end = a + left.count, *b_end = b + right.count;
    uint32_t count = 0;
    while (a < a_end && b < b_end) {
        int order = compare_words(a->word, b->word);
        out[count] = order <= 0 ? *a++ : *b++;
        if (order == 0) out[count].count += b++->count;
        count++;
    }
    while (a < a_end) out[count++] = *a++;
    while (b < b_end) out[count++] = *b++;
    return count;
}

/* ---- what the actors say --------------------------------------------------------------------- */

struct count { /* to the splitter, an ask */
    tr_list files;
    uint32_t mappers; /* on each node; 0: the default */
};
struct counted {
    uint64_t bytes, chunks;
    uint64_t words, distinct;
    bool starts_blank; /* the first byte is no letter; `tr` makes an empty line of that */
    tr_list reducers;  /* of tr_pid */
};
struct failed {
    char reason[200];
};
struct chunk { /* splitter to mapper, an ask */
    tr_bytes text;
};
struct finish { /* splitter to mapper, an ask: there is no more text */
    char unused;
};
struct mapped { /* the answer to both */
    uint64_t words;
};
struct counts { /* mapper to reducer */
    tr_list entries;
};
struct done { /* mapper to reducer: that was the last of me */
    char unused;
};
struct settle { /* splitter to reducer, an ask */
    uint32_t mappers;
};
struct settled {
    uint64_t words, distinct;
};
struct page { /* to a reducer, an ask: the words behind `after` */
    tr_text after;
};
struct words {
    tr_list entries;
    bool more;
};
TR_RECORD(count, TR_FIELD_LIST(count, files, tr_text), TR_FIELD(count, mappers));
TR_RECORD(counted, TR_FIELD(counted, bytes), TR_FIELD(counted, chunks), TR_FIELD(counted, words),
          TR_FIELD(counted, distinct), TR_FIELD(counted, starts_blank),
          TR_FIELD_LIST(counted, reducers, tr_pid));
TR_RECORD(failed, TR_FIELD(failed, reason));
TR_RECORD(chunk, TR_FIELD(chunk, text));
TR_RECORD(finish);
TR_RECORD(mapped, TR_FIELD(mapped, words));
TR_RECORD(counts, TR_FIELD_LIST_RECORD(counts, entries, entry));
TR_RECORD(done);
TR_RECORD(settle, TR_FIELD(settle, mappers));
TR_RECORD(settled, TR_FIELD(settled, words), TR_FIELD(settled, distinct));
TR_RECORD(page, TR_FIELD(page, after));
TR_RECORD(words, TR_FIELD_LIST_RECORD(words, entries, entry), TR_FIELD(words, more));

/* ---- reducer --------------------------------------------------------------------------------- */

/* The words seen so far are in sorted lists, each about twice as long as the one before: a
 * log-structured merge (O'Neil and others, 1996), since adding to one long list would copy it each
 * time. A word may be in several of them, until they are merged for good. */
struct level {
    tr_list entries;
};
struct reducer {
    struct level levels[LEVELS];
    uint64_t words;
    uint32_t done; /* mappers that have come to their end */
    uint32_t mappers;
    tr_request splitter; /* waits for `settled` */
};
TR_RECORD(level, TR_FIELD_LIST_RECORD(level, entries, entry));
TR_RECORD(reducer, TR_FIELD_RECORD(reducer, levels, level), TR_FIELD(reducer, words),
          TR_FIELD(reducer, done), TR_FIELD(reducer, mappers), TR_FIELD(reducer, splitter));

/* Makes `*sum` what it and `more` have together; `*memory` is what it was merged into, if it was.
 */
static bool merge_more(tr_list *sum, tr_list more, struct entry **memory) {
    if (more.count == 0) return true;
    if (sum->count == 0) {
        *sum = more;
        return true;
    }
    struct entry *both = calloc((size_t)sum->count + more.count, sizeof *both);
    if (both == NULL) return false;
    sum->count = merge(*sum, more, both);
    sum->items = both;
    free(*memory);
    *memory = both;
    return true;
}

/* Merges the entries into the first level that has room for them and for all in the levels before
 * it; with `all`, everything into the last level. */
static tr_status add_entries(tr_actor *self, struct reducer *reducer, tr_list entries, bool all) {
    struct level *levels = reducer->levels;
    struct entry *memory = NULL;
    int level = 0;
    bool merged = merge_more(&entries, levels[0].entries, &memory);
    while (merged && level < LEVELS - 1 &&
           (all || entries.count > (uint32_t)LEVEL_ENTRIES << level))
        merged = merge_more(&entries, levels[++level].entries, &memory);
    tr_status status = merged ? TR_OK : tr_fail(self, "out of memory");
    if (status == TR_OK)
        status = tr_list_set(self, &levels[level].entries, entries.items, entries.count);
    for (int i = 0; status == TR_OK && i < level; i++)
        status = tr_list_set(self, &levels[i].entries, NULL, 0);
    free(memory);
    return status;
}

/* All words in one sorted list, the last level's. */
static tr_status merge_all(tr_actor *self, struct reducer *reducer) {
    for (int i = 0; i < LEVELS - 1; i++)
        if (reducer->levels[i].entries.count > 0)
            return add_entries(self, reducer, (tr_list){NULL, 0}, true);
    return TR_OK;
}

static tr_status on_counts(tr_actor *self, void *state, const tr_message *message) {
    struct reducer *reducer = state;
    const struct counts *counts = tr_body(message);
    const struct entry *entries = counts->entries.items;
    for (uint32_t i = 0; i < counts->entries.count; i++) reducer->words += entries[i].count;
    return add_entries(self, reducer, counts->entries, false);
}

/* Answers the splitter once each mapper has come to its end. */
static tr_status settle_if_done(tr_actor *self, struct reducer *reducer) {
    if (reducer->splitter.id == 0 || reducer->done < reducer->mappers) return TR_OK;
    tr_status status = merge_all(self, reducer);
    if (status != TR_OK) return status;
    tr_answer(self, reducer->splitter, settled, .words = reducer->words,
              .distinct = reducer->levels[LEVELS - 1].entries.count);
    reducer->splitter.id = 0;
    return TR_OK;
}

static tr_status on_done(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct reducer *reducer = state;
    reducer->done++;
    return settle_if_done(self, reducer);
}

static tr_status on_settle(tr_actor *self, void *state, const tr_message *message) {
    struct reducer *reducer = state;
    const struct settle *settle = tr_body(message);
    reducer->splitter = tr_request_of(message);
    reducer->mappers = settle->mappers;
    return settle_if_done(self, reducer);
}

/* The index of the first entry behind `after`. */
static uint32_t find_after(tr_list list, tr_text after) {
    const struct entry *entries = list.items;
    uint32_t low = 0, high = list.count;
    while (low < high && after.bytes > 0) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_words(entries[middle].word, after) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static tr_status on_page(tr_actor *self, void *state, const tr_message *message) {
    struct reducer *reducer = state;
    const struct page *page = tr_body(message);
    if (tr_request_of(message).id == 0) return TR_OK;
    tr_status status = merge_all(self, reducer);
    if (status != TR_OK) return status;
    tr_list list = reducer->levels[LEVELS - 1].entries;
    uint32_t first = find_after(list, page->after);
    const struct entry *entries = (const struct entry *)list.items;
    uint32_t end = first;
    for (size_t bytes = 0; end < list.count && end - first < PAGE_ENTRIES && bytes < PAGE_BYTES;
         end++)
        bytes += entries[end].word.bytes;
    tr_list found = {end > first ? entries + first : NULL, end - first};
    tr_reply(self, message, words, .entries = found, .more = end < list.count);
    return TR_OK;
}

static const tr_behavior reducer_behavior = {
    .name = "reducer",
    .version = 1,
    .state = &reducer_record,
    .handlers = TR_HANDLERS({&counts_record, on_counts}, {&done_record, on_done},
                            {&settle_record, on_settle}, {&page_record, on_page}),
};

/* ---- mapper ---------------------------------------------------------------------------------- */

struct mapper {
    tr_list reducers;    /* of tr_pid */
    tr_bytes text;       /* what it counts now */
    bool finishing;      /* there is no more; tell them `done` */
    uint32_t next;       /* the reducer whose turn it is */
    tr_request splitter; /* waits until all reducers have theirs; id 0: nothing to do */
};
struct again { /* to itself: a reducer had no room */
    char unused;
};
TR_RECORD(mapper, TR_FIELD_LIST(mapper, reducers, tr_pid), TR_FIELD(mapper, text),
          TR_FIELD(mapper, finishing), TR_FIELD(mapper, next), TR_FIELD(mapper, splitter));
TR_RECORD(again);

/* Copies one reducer's entries to `mine`; returns how many. */
static uint32_t pick(const struct entry *all, uint32_t count, const struct mapper *mapper,
                     struct entry *mine) {
    uint32_t picked = 0;
    for (uint32_t i = 0; i < count; i++)
        if (owner_of(all[i].word, mapper->reducers.count) == mapper->next) mine[picked++] = all[i];
    return picked;
}

/* Sends each reducer its share, from the one whose turn it is on; stops at the first refusal. */
static tr_status share_out(tr_actor *self, struct mapper *mapper, const struct entry *all,
                           uint32_t count, struct entry *mine) {
    const tr_pid *reducers = mapper->reducers.items;
    for (; mapper->next < mapper->reducers.count; mapper->next++) {
        tr_pid reducer = reducers[mapper->next];
        tr_status status = TR_OK;
        if (mapper->finishing) {
            status = tr_send(self, reducer, done);
        } else {
            tr_list share = {mine, pick(all, count, mapper, mine)};
            if (share.count > 0) status = tr_send(self, reducer, counts, .entries = share);
        }
        if (status != TR_OK) return status;
    }
    return TR_OK;
}

/* Counts the text and shares it out. After a refusal it does so again later for those who are
 * missing: what it does not keep cannot be torn. */
static tr_status work(tr_actor *self, struct mapper *mapper) {
    size_t room = mapper->text.bytes / 2 + 1;
    struct entry *entries = calloc(2 * room, sizeof *entries);
    char *lower = malloc((size_t)mapper->text.bytes + 1);
    tr_status status = TR_EFAILED;
    uint32_t words = 0;
    if (entries != NULL && lower != NULL) {
        words = find_words(mapper->text, lower, entries);
        status = share_out(self, mapper, entries, sum_up(entries, words), entries + room);
    }
    free(lower);
    free(entries);
    if (status == TR_EFULL) return tr_send_after(self, RETRY_MS, again);
    if (status != TR_OK) return tr_fail(self, "sharing out: %s", tr_status_text(status));

    tr_answer(self, mapper->splitter, mapped, .words = words);
    mapper->splitter.id = 0;
    if (mapper->finishing) tr_exit(self);
    return TR_OK;
}

/* Takes a job; what is no ask, or comes out of turn, is left alone. */
static tr_status begin_work(tr_actor *self, struct mapper *mapper, const tr_message *message,
                            tr_bytes text, bool finishing) {
    if (mapper->splitter.id != 0 || mapper->reducers.count == 0) return TR_OK;
    mapper->splitter = tr_request_of(message);
    if (mapper->splitter.id == 0) return TR_OK;
    tr_status status = tr_bytes_set(self, &mapper->text, text.data, text.bytes);
    mapper->finishing = finishing;
    mapper->next = 0;
    return status == TR_OK ? work(self, mapper) : status;
}

static tr_status on_chunk(tr_actor *self, void *state, const tr_message *message) {
    const struct chunk *chunk = tr_body(message);
    return begin_work(self, state, message, chunk->text, false);
}

static tr_status on_finish(tr_actor *self, void *state, const tr_message *message) {
    return begin_work(self, state, message, (tr_bytes){NULL, 0}, true);
}

static tr_status on_again(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct mapper *mapper = state;
    return mapper->splitter.id == 0 ? TR_OK : work(self, mapper);
}

static const tr_behavior mapper_behavior = {
    .name = "mapper",
    .version = 1,
    .state = &mapper_record,
    .handlers = TR_HANDLERS({&chunk_record, on_chunk}, {&finish_record, on_finish},
                            {&again_record, on_again}),
};

/* ---- splitter: state ------------------------------------------------------------------------- */

/*     IDLE --count--> STARTING --all are there--> SPLITTING --all mappers finished--> SETTLING
 *      ^ <--------- failed ------'--------------------'------------- failed or all settled -'   */
enum phase { IDLE, STARTING, SPLITTING, SETTLING };

struct splitter {
    uint32_t phase;
    uint64_t job;      /* number of the count under way, or of the last one */
    tr_request client; /* who asked for it */
    tr_list files;     /* of tr_text */
    uint32_t file;     /* the one to be read next, from `offset` on */
    uint64_t offset;
    tr_bytes carry; /* read already: the beginning of a word whose end was not */
    uint32_t mappers_each;
    tr_list reducers; /* of tr_pid */
    tr_list mappers;  /* of tr_pid */
    uint32_t pending; /* outcomes this phase waits for */
    uint64_t bytes, chunks;
    uint64_t mapped, settled; /* words; equal at the end */
    uint64_t distinct;
    bool starts_blank;
};
TR_RECORD(splitter, TR_FIELD(splitter, phase), TR_FIELD(splitter, job), TR_FIELD(splitter, client),
          TR_FIELD_LIST(splitter, files, tr_text), TR_FIELD(splitter, file),
          TR_FIELD(splitter, offset), TR_FIELD(splitter, carry), TR_FIELD(splitter, mappers_each),
          TR_FIELD_LIST(splitter, reducers, tr_pid), TR_FIELD_LIST(splitter, mappers, tr_pid),
          TR_FIELD(splitter, pending), TR_FIELD(splitter, bytes), TR_FIELD(splitter, chunks),
          TR_FIELD(splitter, mapped), TR_FIELD(splitter, settled), TR_FIELD(splitter, distinct),
          TR_FIELD(splitter, starts_blank));

/* What an outcome belongs to: the context of spawns and asks, and what the splitter sends itself to
 * try again. */
enum task { START_REDUCER, START_MAPPER, MAP, FINISH, SETTLE };
struct errand {
    uint64_t job;
    uint32_t task;
    tr_pid who;
};
TR_RECORD(errand, TR_FIELD(errand, job), TR_FIELD(errand, task), TR_FIELD(errand, who));

/* False for what is left over from a count that has ended. */
static bool is_current(const struct splitter *splitter, const struct errand *errand) {
    return splitter->phase != IDLE && errand != NULL && errand->job == splitter->job;
}

static void stop_all(tr_actor *self, tr_list list) {
    const tr_pid *pids = list.items;
    for (uint32_t i = 0; i < list.count; i++) tr_stop(self, pids[i]);
}

/* Ends the count: tells the client why, and stops whom it has started. Returns TR_OK, as the
 * splitter itself is fine. */
static tr_status give_up(tr_actor *self, struct splitter *splitter, const char *format, ...) {
    struct failed failed = {{0}};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failed.reason, sizeof failed.reason, format, arguments);
    va_end(arguments);
    tr_log(self, TR_WARN, "count %" PRIu64 " failed: %s", splitter->job, failed.reason);
    tr_answer_record(self, splitter->client, &failed_record, &failed);
    stop_all(self, splitter->mappers);
    stop_all(self, splitter->reducers);
    tr_list_set(self, &splitter->mappers, NULL, 0);
    tr_list_set(self, &splitter->reducers, NULL, 0);
    splitter->phase = IDLE;
    return TR_OK;
}

/* ---- splitter: reading ----------------------------------------------------------------------- */

/* What the stream of files has next. */
struct piece {
    uint8_t data[WORD_BYTES_MAX + CHUNK_BYTES];
    uint32_t bytes;
    uint32_t whole; /* bytes up to the end of a word that is complete */
    uint32_t file;  /* where to read on */
    uint64_t offset;
    bool end; /* there is nothing to read on */
    char path[4096];
    int error; /* errno of reading `path`, or 0 */
};

/* Reads up to `room` bytes from the present file; goes on to the next one at its end. */
static void read_some(const struct splitter *splitter, struct piece *piece, size_t room) {
    const tr_text *files = splitter->files.items;
    piece->end = piece->file >= splitter->files.count;
    if (piece->end) return;
    tr_text name = files[piece->file];
    snprintf(piece->path, sizeof piece->path, "%.*s", (int)name.bytes, name.data);
    int fd = open(piece->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : pread(fd, piece->data + piece->bytes, room, (off_t)piece->offset);
    if (got < 0) piece->error = errno;
    if (fd >= 0) close(fd);
    if (got > 0) {
        piece->bytes += (uint32_t)got;
        piece->offset += (uint64_t)got;
    } else if (got == 0) {
        piece->file++;
        piece->offset = 0;
    }
}

/* Reads on from where the splitter is, which does not move yet. False, with the reason in `why`,
 * for a file that cannot be read and for a word without end. */
static bool read_piece(const struct splitter *splitter, struct piece *piece, char why[200]) {
    piece->bytes = splitter->carry.bytes;
    if (piece->bytes > 0) memcpy(piece->data, splitter->carry.data, piece->bytes);
    piece->file = splitter->file;
    piece->offset = splitter->offset;
    piece->error = 0;
    do {
        uint32_t wanted = piece->bytes + CHUNK_BYTES;
        do read_some(splitter, piece, wanted - piece->bytes);
        while (!piece->end && piece->error == 0 && piece->bytes < wanted);
        piece->whole = piece->bytes;
        while (!piece->end && piece->whole > 0 && is_letter(piece->data[piece->whole - 1]))
            piece->whole--;
    } while (piece->whole == 0 && !piece->end && piece->error == 0 &&
             piece->bytes <= WORD_BYTES_MAX);
    if (piece->error != 0) {
        snprintf(why, 200, "cannot read %.120s: %s", piece->path, strerror(piece->error));
    } else if (piece->whole == 0 && !piece->end) {
        snprintf(why, 200, "%.120s: a word of more than %d bytes", piece->path, WORD_BYTES_MAX);
        return false;
    }
    return piece->error == 0;
}

/* The piece is on its way: remember what is behind it. */
static tr_status move_on(tr_actor *self, struct splitter *splitter, const struct piece *piece) {
    if (splitter->bytes == 0) splitter->starts_blank = !is_letter(piece->data[0]);
    splitter->bytes += piece->bytes - splitter->carry.bytes;
    splitter->chunks++;
    splitter->file = piece->file;
    splitter->offset = piece->offset;
    return tr_bytes_set(self, &splitter->carry, piece->data + piece->whole,
                        piece->bytes - piece->whole);
}

/* ---- splitter: the flow ---------------------------------------------------------------------- */

/* Judges a message to a mapper or reducer: after a refusal the errand is repeated a little later.
 */
static tr_status sent(tr_actor *self, struct splitter *splitter, tr_status status,
                      const struct errand *errand) {
    if (status == TR_OK) return TR_OK;
    if (status == TR_EFULL)
        return tr_send_after_record(self, RETRY_MS, NULL, &errand_record, errand);
    char who[TR_PID_TEXT_MAX];
    tr_pid_text(self, errand->who, who, sizeof who);
    return give_up(self, splitter, "%s: %s", who, tr_status_text(status));
}

/* Gives a mapper the next chunk, or tells it that there is none. */
static tr_status feed(tr_actor *self, struct splitter *splitter, tr_pid mapper) {
    char why[200] = "out of memory";
    struct piece *piece = malloc(sizeof *piece);
    if (piece == NULL || !read_piece(splitter, piece, why)) {
        free(piece);
        return give_up(self, splitter, "%s", why);
    }
    struct errand errand = {splitter->job, piece->whole > 0 ? MAP : FINISH, mapper};
    tr_ask_options options = {
        .timeout_ms = TIMEOUT_MS, .context_record = &errand_record, .context = &errand};
    tr_status status;
    if (piece->whole > 0) {
        status = tr_ask(self, mapper, &options, chunk, .text = {piece->data, piece->whole});
        if (status == TR_OK) status = move_on(self, splitter, piece);
    } else {
        status = tr_ask(self, mapper, &options, finish);
    }
    free(piece);
    return sent(self, splitter, status, &errand);
}

static tr_status settle_one(tr_actor *self, struct splitter *splitter, tr_pid reducer) {
    struct errand errand = {splitter->job, SETTLE, reducer};
    tr_ask_options options = {
        .timeout_ms = TIMEOUT_MS, .context_record = &errand_record, .context = &errand};
    tr_status status = tr_ask(self, reducer, &options, settle, .mappers = splitter->mappers.count);
    return sent(self, splitter, status, &errand);
}

/* Enters a phase that has one outcome from each of the list. */
static tr_status enter(tr_actor *self, struct splitter *splitter, enum phase phase) {
    const tr_list *list = phase == SPLITTING ? &splitter->mappers : &splitter->reducers;
    splitter->phase = phase;
    splitter->pending = list->count;
    tr_status status = TR_OK;
    for (uint32_t i = 0; i < list->count && status == TR_OK; i++) { /* giving up empties the list */
        tr_pid who = ((const tr_pid *)list->items)[i];
        status = phase == SPLITTING ? feed(self, splitter, who) : settle_one(self, splitter, who);
    }
    return status;
}

static tr_status on_errand(tr_actor *self, void *state, const tr_message *message) {
    struct splitter *splitter = state;
    const struct errand *errand = tr_body(message);
    if (!is_current(splitter, errand)) return TR_OK;
    return errand->task == SETTLE ? settle_one(self, splitter, errand->who)
                                  : feed(self, splitter, errand->who);
}

static tr_status on_mapped(tr_actor *self, void *state, const tr_message *message) {
    struct splitter *splitter = state;
    const struct mapped *mapped = tr_body(message);
    const struct errand *errand = tr_context(message);
    if (!is_current(splitter, errand)) return TR_OK;
    splitter->mapped += mapped->words;
    if (errand->task == MAP) return feed(self, splitter, errand->who);
    return --splitter->pending > 0 ? TR_OK : enter(self, splitter, SETTLING);
}

static tr_status on_settled(tr_actor *self, void *state, const tr_message *message) {
    struct splitter *splitter = state;
    const struct settled *settled = tr_body(message);
    if (!is_current(splitter, tr_context(message))) return TR_OK;
    splitter->settled += settled->words;
    splitter->distinct += settled->distinct;
    if (--splitter->pending > 0) return TR_OK;
    if (splitter->mapped != splitter->settled)
        return give_up(self, splitter, "%" PRIu64 " words were found, but %" PRIu64 " counted",
                       splitter->mapped, splitter->settled);
    splitter->phase = IDLE;
    tr_answer(self, splitter->client, counted, .bytes = splitter->bytes, .chunks = splitter->chunks,
              .words = splitter->settled, .distinct = splitter->distinct,
              .starts_blank = splitter->starts_blank, .reducers = splitter->reducers);
    return tr_list_set(self, &splitter->mappers, NULL, 0); /* they have ended by themselves */
}

static tr_status on_ask_failed(tr_actor *self, void *state, const tr_message *message) {
    const struct tr_ask_failed *ask = tr_body(message);
    if (!is_current(state, tr_context(message))) return TR_OK;
    char target[TR_PID_TEXT_MAX];
    tr_pid_text(self, ask->target, target, sizeof target);
    return give_up(self, state, "%s did not answer %.*s: %s", target, (int)sizeof ask->record,
                   ask->record, tr_status_text((tr_status)ask->status));
}

/* ---- splitter: starting the others ----------------------------------------------------------- */

static tr_status append_pid(tr_actor *self, tr_list *list, tr_pid pid) {
    tr_pid *pids = calloc((size_t)list->count + 1, sizeof *pids);
    if (pids == NULL) return tr_fail(self, "out of memory");
    if (list->count > 0) memcpy(pids, list->items, list->count * sizeof *pids);
    pids[list->count] = pid;
    tr_status status = tr_list_set(self, list, pids, list->count + 1);
    free(pids);
    return status;
}

static tr_status start_all(tr_actor *self, struct splitter *splitter, enum task task);

/* One more is there; once all are, the next step. */
static tr_status started(tr_actor *self, struct splitter *splitter, uint32_t task, tr_pid pid) {
    tr_list *list = task == START_REDUCER ? &splitter->reducers : &splitter->mappers;
    tr_status status = append_pid(self, list, pid);
    if (status != TR_OK || --splitter->pending > 0) return status;
    if (task == START_REDUCER) return start_all(self, splitter, START_MAPPER);
    return enter(self, splitter, SPLITTING);
}

static tr_status start_one(tr_actor *self, struct splitter *splitter, enum task task,
                           const char *node) {
    struct mapper mapper = {.reducers = splitter->reducers};
    struct errand errand = {.job = splitter->job, .task = task};
    tr_spawn_options options = {.node = node, .context_record = &errand_record, .context = &errand};
    if (task == START_MAPPER) options.state = &mapper;
    tr_pid pid;
    tr_status status =
        tr_spawn(self, task == START_MAPPER ? &mapper_behavior : &reducer_behavior, &options, &pid);
    if (status != TR_OK)
        return give_up(self, splitter, "spawn on %s: %s", node, tr_status_text(status));
    /* Elsewhere the pid may be known by now, but only its tr_spawned says that the actor is there.
     */
    bool here = strcmp(node, tr_node_name(self)) == 0;
    return here ? started(self, splitter, task, pid) : TR_OK;
}

/* Starts one reducer, or some mappers, on each member. */
static tr_status start_all(tr_actor *self, struct splitter *splitter, enum task task) {
    uint32_t each = task == START_MAPPER ? splitter->mappers_each : 1;
    uint32_t members = (uint32_t)tr_member_count(self);
    splitter->pending = each * members;
    tr_status status = TR_OK;
    for (uint32_t i = 0; i < each * members && status == TR_OK && splitter->phase == STARTING; i++)
        status = start_one(self, splitter, task, tr_member_name(self, i % members));
    return status;
}

static tr_status on_spawned(tr_actor *self, void *state, const tr_message *message) {
    struct splitter *splitter = state;
    const struct tr_spawned *spawned = tr_body(message);
    const struct errand *errand = tr_context(message);
    bool here = spawned->status == TR_OK;
    if (!is_current(splitter, errand)) return here ? tr_stop(self, spawned->pid) : TR_OK;
    if (here) return started(self, splitter, errand->task, spawned->pid);
    return give_up(self, splitter, "spawn: %.*s", (int)sizeof spawned->reason, spawned->reason);
}

/* Why a count cannot begin now, or NULL. */
static const char *objection(const struct splitter *splitter, const struct count *count) {
    if (splitter->phase != IDLE) return "busy: a count is under way";
    if (count->files.count == 0) return "no files to count";
    if (count->mappers > MAPPERS_MAX) return "too many mappers: at most 64 on each node";
    return NULL;
}

static tr_status on_count(tr_actor *self, void *state, const tr_message *message) {
    struct splitter *splitter = state;
    const struct count *count = tr_body(message);
    if (tr_request_of(message).id == 0) return TR_OK; /* nobody would learn the outcome */
    const char *why = objection(splitter, count);
    if (why != NULL) {
        struct failed failed = {{0}};
        snprintf(failed.reason, sizeof failed.reason, "%s", why);
        tr_reply_record(self, message, &failed_record, &failed);
        return TR_OK;
    }
    stop_all(self, splitter->reducers); /* of the count before */
    tr_status status = tr_list_set(self, &splitter->reducers, NULL, 0);
    if (status == TR_OK) status = tr_bytes_set(self, &splitter->carry, NULL, 0);
    if (status == TR_OK)
        status = tr_list_set(self, &splitter->files, count->files.items, count->files.count);
    if (status != TR_OK) return status;
    splitter->phase = STARTING;
    splitter->job++;
    splitter->client = tr_request_of(message);
    splitter->mappers_each = count->mappers > 0 ? count->mappers : MAPPERS;
    splitter->file = 0;
    splitter->offset = splitter->bytes = splitter->chunks = 0;
    splitter->mapped = splitter->settled = splitter->distinct = 0;
    splitter->starts_blank = false;
    return start_all(self, splitter, START_REDUCER);
}

static void on_end(tr_actor *self, void *state, tr_status reason) {
    (void)reason;
    const struct splitter *splitter = state;
    stop_all(self, splitter->mappers);
    stop_all(self, splitter->reducers);
}

static const tr_behavior splitter_behavior = {
    .name = "splitter",
    .version = 1,
    .state = &splitter_record,
    .handlers = TR_HANDLERS({&count_record, on_count}, {&tr_spawned_record, on_spawned},
                            {&mapped_record, on_mapped}, {&settled_record, on_settled},
                            {&tr_ask_failed_record, on_ask_failed}, {&errand_record, on_errand}),
    .stop = on_end,
};

TR_EXPORT(&splitter_behavior, &mapper_behavior, &reducer_behavior);
