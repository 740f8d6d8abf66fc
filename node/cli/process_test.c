/*
 * process_test.c - a process is never taken for another one with the same number.
 */
#include "node/cli/process.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(process, .timeout = 10);

Test(process, a_running_process_is_found_and_opened) {
    struct process self;
    cr_assert(process_of(getpid(), &self));
    cr_assert_eq(self.pid, getpid());
    cr_assert_gt(self.start, 0);
    int fd = process_open(&self);
    cr_assert_geq(fd, 0);
    close(fd);
}

Test(process, a_recycled_pid_is_not_opened) {
    struct process other;
    cr_assert(process_of(getpid(), &other));
    other.start++;
    cr_assert_eq(process_open(&other), -1);
    cr_assert(process_of(getpid(), &other));
    other.boot[0] = other.boot[0] == '0' ? '1' : '0';
    cr_assert_eq(process_open(&other), -1);
}

Test(process, nobody_has_no_identity) {
    struct process none = {.pid = 0};
    cr_assert_not(process_of(0, &none));
    cr_assert_not(process_of(-1, &none));
    cr_assert_eq(process_open(&none), -1);
}

Test(process, the_pidfd_signals_that_process_and_becomes_readable_at_its_end) {
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        pause();
        _exit(0);
    }
    struct process found;
    cr_assert(process_of(child, &found));
    int fd = process_open(&found);
    cr_assert_geq(fd, 0);
    cr_assert(process_signal(fd, SIGKILL));
    struct pollfd end = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&end, 1, 5000), 1);
    cr_assert_not(process_of(child, &found), "a zombie no longer runs");
    cr_assert_eq(process_open(&found), -1);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_assert_not(process_signal(fd, SIGKILL));
    close(fd);
}
