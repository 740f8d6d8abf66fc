#!/usr/bin/python3
"""`troupe bench`: its list, a run, and what goes wrong; no process and no folder is left behind."""
import glob
import os
import signal
import subprocess

from harness import (BUILD, Said, die_with_parent, equal, expect, folder, run, start_troupe, test,
                     troupe, until)

STATES = ('near', 'far', 'one-core', 'mixed')


class Bench:
    """`troupe bench` with a temporary folder of its own, which must be empty in the end."""

    def __init__(self):
        self.tmp = folder('bench')
        self.environment = {'TMPDIR': self.tmp}

    def run(self, *words):
        said = troupe(self.tmp, 'bench', *words, environment=self.environment)
        equal(os.listdir(self.tmp), [], f'left behind by {words}')
        return said

    def fails(self, code, name, *words):
        said = self.run(*words)
        equal(said.code, code, f'exit code of {said}')
        equal(said.error and said.error['code'], name, f'error of {said}')
        return said.error


def children(pid):
    """The processes that a process has started and that still run."""
    found = []
    for path in glob.glob('/proc/[0-9]*/stat'):
        try:
            with open(path) as file:
                words = file.read().rsplit(')', 1)[1].split()
        except OSError:
            continue
        if int(words[1]) == pid and words[0] != 'Z':
            found.append(int(path.split('/')[2]))
    return found


def is_running(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except OSError:
        return False


@test
def list_names_the_workloads():
    said = Bench().run('--list')
    equal(said.code, 0, said)
    names = [one['workload'] for one in said.data]
    expect('pingpong' in names and len(names) == len(set(names)), names)
    expect(all(one['about'] for one in said.data), said)


@test
def calibration_tells_the_state():
    data = Bench().run('--calibrate').data
    expect(data['state'] in STATES, data)
    expect(data['loop_ns'] > 0, data)
    expect((data['calibration_ns'] > 0) == (data['state'] != 'one-core'), data)


@test
def a_run_reports_figures_with_their_state():
    said = Bench().run('pingpong', '--runs', '1', '--warmup', '0')
    equal(said.code, 0, said)
    equal(said.json['schema'], 'troupe/1', 'schema')
    equal(len(said.data), 1, said)
    row = said.data[0]
    equal((row['workload'], row['metric'], row['unit']), ('pingpong', 'ns_per_msg', 'ns'), 'row')
    expect(0 < row['min'] <= row['median'] <= row['max'], row)
    expect(row['state'] in STATES and row['runs'] >= 1 and row['loop_ns'] > 0, row)
    equal(said.err, '', 'stderr when it is no terminal')


@test
def workloads_of_any_size_run_small():
    words = ('pairs:10', 'mailbox:1', 'mailbox:1000', 'actors:1000', 'state:64')
    said = Bench().run(*words, '--runs', '1', '--warmup', '0')
    equal(said.code, 0, said)
    equal({row['workload'] for row in said.data}, set(words), 'workloads')
    Bench().fails(64, 'TR_EINVAL', 'mailbox:1000001', '--warmup', '0')


@test
def on_one_core_the_state_says_so():
    bench = Bench()
    core = str(min(os.sched_getaffinity(0)))
    done = subprocess.run(['taskset', '-c', core, os.path.join(BUILD, 'troupe'), 'bench', 'pingpong',
                           '--runs', '1', '--warmup', '0', '-o', 'json'], capture_output=True,
                          text=True, timeout=90, env={**os.environ, **bench.environment},
                          preexec_fn=die_with_parent)
    said = Said(['bench'], done.returncode, done.stdout, done.stderr)
    equal(said.code, 0, said)
    equal(said.data[0]['state'], 'one-core', said)


@test
def what_does_not_exist_is_refused_with_the_nearest():
    bench = Bench()
    error = bench.fails(64, 'TR_EINVAL', 'pingpogn')
    expect('pingpogn' in error['message'] and 'pingpong' in error['hint'], error)
    bench.fails(64, 'TR_EINVAL', 'pingpong:7')
    bench.fails(64, 'TR_EINVAL', 'pingpong', '--runs', '0')
    bench.fails(64, 'TR_EINVAL', 'pingpong', '--runs', 'many')


@test
def a_run_that_takes_too_long_is_ended():
    error = Bench().fails(75, 'TR_ETIMEDOUT', 'pingpong', '--timeout', '10ms', '--warmup', '0')
    expect('pingpong' in error['message'], error)


@test
def a_run_that_dies_is_named_with_its_signal():
    bench = Bench()
    process = start_troupe(bench.tmp, 'bench', 'counting', environment=bench.environment)
    os.kill(until(lambda: children(process.pid), 30, 'a run has started')[0], signal.SIGSEGV)
    out, err = process.communicate(timeout=60)
    said = Said(['bench'], process.returncode, out, err)
    equal(said.code, 70, said)
    equal(said.error['code'], 'TR_EFAILED', said)
    expect('counting' in said.error['message'] and '11' in said.error['message'], said)
    equal(os.listdir(bench.tmp), [], 'left behind')


@test
def an_interrupt_ends_the_runs_and_removes_the_folder():
    bench = Bench()
    process = start_troupe(bench.tmp, 'bench', environment=bench.environment)
    child = until(lambda: children(process.pid), 30, 'a run has started')[0]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    equal(process.returncode, 130, 'exit code')
    expect(not is_running(child), f'process {child} still runs')
    equal(os.listdir(bench.tmp), [], 'left behind')


@test
def a_run_dies_with_its_parent():
    bench = Bench()
    process = start_troupe(bench.tmp, 'bench', 'counting', environment=bench.environment)
    child = until(lambda: children(process.pid), 30, 'a run has started')[0]
    process.kill()
    process.communicate(timeout=30)
    until(lambda: not is_running(child), 30, f'process {child} has ended')


if __name__ == '__main__':
    run()
