/*
 * sim_main.c - runs seeds of the simulator: `sim --first n --seeds m`, or replays one: `sim --seed
 * n`.
 *
 * Seeds run in child processes, one for each core, so that a crash or a failed check() is that
 * seed's failure and no more; each failing seed is one line with the command that replays it.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster-tests/simulator.h"

#include <inttypes.h>

enum {
    JOBS_MAX = 16,
    SEED_SECONDS = 60, /* of real time, until a seed counts as hung */
    EXIT_VIOLATION = 3
};

/* One child: what it has reached, in memory shared with the parent. */
struct job {
    pid_t pid;
    uint64_t next, end; /* seeds still to run: [next, end); `next` is under way */
    bool running;
    struct simulator_report report;
    char stderr_path[64];
};

struct totals {
    uint64_t passed, failed, committed, aborted, recorded, sends, resets, partitions, crashes,
        leaves, disk_faults;
    uint64_t steps, nested;
};

struct options {
    const char *program;
    uint64_t first, seeds, seed, jobs;
    uint64_t timeout; /* seconds of real time for one seed */
    bool one, verbose, hashes, stop;
};

/* ---- one seed -------------------------------------------------------------------------------- */

static void print_report(const struct simulator_report *report) {
    printf("nodes %u, virtual %.3f s, steps %" PRIu64 " (%" PRIu64 " within handlers)\n",
           report->machines, (double)report->virtual_ns / 1e9, report->steps, report->nested_steps);
    printf("sent %" PRIu64 ", handled %" PRIu64 ", dead letters %" PRIu64 "\n", report->sends,
           report->receives, report->dead_letters);
    printf("snapshots: %u committed, %u aborted, %" PRIu64 " messages recorded\n",
           report->committed, report->aborted, report->recorded_messages);
    printf("faults: %u resets, %u partitions, %u crashes, %u leaves, %u of disks\n", report->resets,
           report->partitions, report->crashes, report->leaves, report->disk_faults);
}

static void failed_alone(struct simulator_report *report) {
    print_report(report);
    printf("hash %016" PRIx64 "%016" PRIx64 "\n", report->hash[0], report->hash[1]);
    printf("FAILED: %s\n", report->violation);
    fflush(stdout);
    _exit(1);
}

static int run_one(const struct options *options) {
    struct simulator_report report;
    struct simulator_options run = {.seed = options->seed, .verbose = options->verbose};
    alarm(10 * SEED_SECONDS);
    simulator_run(&run, &report, failed_alone);
    print_report(&report);
    printf("hash %016" PRIx64 "%016" PRIx64 "\n", report.hash[0], report.hash[1]);
    return 0;
}

/* ---- many seeds ------------------------------------------------------------------------------ */

static void failed_in_child(struct simulator_report *report) {
    (void)report; /* the parent sees it */
    _exit(EXIT_VIOLATION);
}

/* Runs seeds until the job is done; each time `next` moves the parent counts one as passed. */
static void run_child(const struct options *options, struct job *job, int notify) {
    while (job->next < job->end) {
        struct simulator_options run = {.seed = job->next};
        alarm((unsigned)options->timeout);
        simulator_run(&run, &job->report, failed_in_child);
        if (write(notify, &job->report, sizeof job->report) != (ssize_t)sizeof job->report)
            _exit(1);
        job->next++;
    }
    alarm(0);
}

static void start_job(const struct options *options, struct job *job, int notify) {
    fflush(stdout);
    job->report.violation[0] = '\0';
    job->running = true;
    pid_t pid = fork();
    if (pid != 0) { /* the parent alone: what a job knows is shared with the child */
        job->pid = pid;
        return;
    }
    if (freopen(job->stderr_path, "w", stderr) == NULL) _exit(1);
    run_child(options, job, notify);
    exit(0);
}

/* The last line that a child wrote before it died. */
static void last_line(const char *path, char *line, size_t room) {
    FILE *file = fopen(path, "r");
    char text[512];
    line[0] = '\0';
    while (file != NULL && fgets(text, sizeof text, file) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        if (text[0] != '\0') snprintf(line, room, "%s", text);
    }
    if (file != NULL) fclose(file);
}

static void report_failure(const struct options *options, const struct job *job, int status) {
    char line[512];
    last_line(job->stderr_path, line, sizeof line);
    const char *why = job->report.violation;
    char text[600];
    if (why[0] == '\0' && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) why = "hung";
    if (why[0] == '\0') {
        snprintf(text, sizeof text, "died (%s): %s",
                 WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit", line);
        why = text;
    }
    printf("seed %" PRIu64 ": %s; replay: %s --seed %" PRIu64 "\n", job->next, why,
           options->program, job->next);
    fflush(stdout);
}

static void add_report(struct totals *totals, const struct simulator_report *report) {
    totals->passed++;
    totals->committed += report->committed;
    totals->aborted += report->aborted;
    totals->recorded += report->recorded_messages;
    totals->sends += report->sends;
    totals->resets += report->resets;
    totals->partitions += report->partitions;
    totals->crashes += report->crashes;
    totals->leaves += report->leaves;
    totals->disk_faults += report->disk_faults;
    totals->steps += report->steps;
    totals->nested += report->nested_steps;
}

static void show_progress(const struct totals *totals, uint64_t seeds) {
    if (!isatty(STDERR_FILENO)) return;
    fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " failed ",
            totals->passed + totals->failed, seeds, totals->failed);
}

/* Takes the reports that have come; false at the end of all children. */
static bool take_report(const struct options *options, int source, struct totals *totals) {
    struct simulator_report report;
    ssize_t got = read(source, &report, sizeof report); /* written in one piece: it fits PIPE_BUF */
    if (got < 0 && errno == EINTR) return true;
    if (got != (ssize_t)sizeof report) return false;
    add_report(totals, &report);
    if (options->hashes)
        printf("seed %" PRIu64 ": hash %016" PRIx64 "%016" PRIx64 "\n", report.seed, report.hash[0],
               report.hash[1]);
    return true;
}

static struct job *job_of(struct job *jobs, uint64_t count, pid_t pid) {
    for (uint64_t i = 0; i < count; i++)
        if (jobs[i].running && jobs[i].pid == pid) return &jobs[i];
    return NULL;
}

/* A child has ended: the seed it was in has failed, unless it was done; goes on behind that. */
static void job_ended(const struct options *options, struct job *job, int status, int notify,
                      struct totals *totals) {
    job->running = false;
    if (options->stop && totals->failed > 0) return; /* stopped for another one's failure */
    bool done = WIFEXITED(status) && WEXITSTATUS(status) == 0 && job->next >= job->end;
    if (!done) {
        totals->failed++;
        report_failure(options, job, status);
        job->next++;
    }
    if (job->next < job->end && !(options->stop && totals->failed > 0))
        start_job(options, job, notify);
}

static int run_many(const struct options *options) {
    struct job *jobs = mmap(NULL, sizeof *jobs * JOBS_MAX, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ends[2];
    if (jobs == MAP_FAILED || pipe(ends) != 0) {
        perror("sim");
        return 1;
    }
    struct totals totals = {0};
    uint64_t running = 0, first = options->first;
    for (uint64_t i = 0; i < options->jobs; i++) {
        uint64_t share =
            options->seeds / options->jobs + (i < options->seeds % options->jobs ? 1 : 0);
        jobs[i].next = first;
        jobs[i].end = first + share;
        first += share;
        snprintf(jobs[i].stderr_path, sizeof jobs[i].stderr_path, "/tmp/sim-%ld-%u", (long)getpid(),
                 (unsigned)i);
        if (share > 0) start_job(options, &jobs[i], ends[1]);
    }
    for (;;) {
        running = 0;
        for (uint64_t i = 0; i < options->jobs; i++) running += jobs[i].running;
        if (running == 0) break;
        if (options->stop && totals.failed > 0)
            for (uint64_t i = 0; i < options->jobs; i++)
                if (jobs[i].running) kill(jobs[i].pid, SIGKILL);
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        struct job *job = pid > 0 ? job_of(jobs, options->jobs, pid) : NULL;
        if (job != NULL)
            job_ended(options, job, status, ends[1], &totals);
        else
            usleep(2000);
        int waiting = 0;
        while (true) {
            fd_set set;
            FD_ZERO(&set);
            FD_SET(ends[0], &set);
            struct timeval none = {0, 0};
            waiting = select(ends[0] + 1, &set, NULL, NULL, &none);
            if (waiting <= 0 || !take_report(options, ends[0], &totals)) break;
        }
        show_progress(&totals, options->seeds);
    }
    if (isatty(STDERR_FILENO)) fprintf(stderr, "\n");
    for (uint64_t i = 0; i < options->jobs; i++) unlink(jobs[i].stderr_path);
    printf("snapshots: %" PRIu64 " committed, %" PRIu64 " aborted, %" PRIu64
           " messages recorded of %" PRIu64 " sent\n",
           totals.committed, totals.aborted, totals.recorded, totals.sends);
    printf("faults: %" PRIu64 " resets, %" PRIu64 " partitions, %" PRIu64 " crashes, %" PRIu64
           " leaves, %" PRIu64 " of disks; %" PRIu64 " steps, %" PRIu64
           " of them within handlers\n",
           totals.resets, totals.partitions, totals.crashes, totals.leaves, totals.disk_faults,
           totals.steps, totals.nested);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", totals.passed, totals.failed);
    return totals.failed == 0 ? 0 : 1;
}

/* ---- the command line ------------------------------------------------------------------------ */

static bool parse_number(const char *text, uint64_t *number_out) {
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-') return false;
    *number_out = number;
    return true;
}

static int usage(const char *program) {
    fprintf(stderr,
            "usage: %s --first N --seeds M [--jobs J] [--timeout SECONDS] [--hashes] [--stop] | "
            "--seed N [--verbose]\n",
            program);
    return 2;
}

int main(int argc, char **argv) {
    static const struct option longs[] = {{"first", required_argument, NULL, 'f'},
                                          {"seeds", required_argument, NULL, 'n'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"hashes", no_argument, NULL, 'h'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"stop", no_argument, NULL, 'x'},
                                          {NULL, 0, NULL, 0}};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct options options = {.program = argv[0],
                              .first = 1,
                              .seeds = 500,
                              .jobs = cores < 1 ? 1 : (uint64_t)cores,
                              .timeout = SEED_SECONDS};
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        uint64_t *place = option == 'f'   ? &options.first
                          : option == 'n' ? &options.seeds
                          : option == 's' ? &options.seed
                          : option == 'j' ? &options.jobs
                          : option == 't' ? &options.timeout
                                          : NULL;
        if (option == 'v')
            options.verbose = true;
        else if (option == 'h')
            options.hashes = true;
        else if (option == 'x')
            options.stop = true;
        else if (place == NULL || !parse_number(optarg, place))
            return usage(argv[0]);
        if (option == 's') options.one = true;
    }
    if (optind != argc) return usage(argv[0]);
    if (options.jobs < 1) options.jobs = 1;
    if (options.jobs > JOBS_MAX) options.jobs = JOBS_MAX;
    return options.one ? run_one(&options) : run_many(&options);
}
