#!/usr/bin/python3
"""scripts/bench-check against results made up here: what counts as slower, and what is recorded."""
import copy
import json
import os
import subprocess
import sys

from harness import ROOT, equal, expect, folder, run, test


def row(workload, metric, unit, median, state='near', loop_ns=5.0):
    return {'workload': workload, 'metric': metric, 'unit': unit, 'median': median, 'min': median,
            'max': median, 'runs': 5, 'state': state, 'calibration_ns': 28.0, 'loop_ns': loop_ns}


ROWS = [row('pingpong', 'ns_per_msg', 'ns', 60.0), row('rcounting', 'msgs', 'msgs/s', 3e6),
        row('idlemem', 'bytes_per_actor', 'bytes', 256.0), row('snap', 'actors', 'actors', 1000.0)]


class Check:
    """A folder with recorded figures."""

    def __init__(self, rows=None):
        self.dir = folder('bench-check')
        self.figures = os.path.join(self.dir, 'bench', 'figures.json')
        if rows is not None:
            equal(self.run(rows, '--record')[0], 0, 'exit code of --record')

    def run(self, rows, *words):
        results = os.path.join(self.dir, 'results.json')
        with open(results, 'w') as file:
            json.dump({'schema': 'troupe/1', 'kind': 'BenchResults', 'data': rows}, file)
        done = subprocess.run([sys.executable, os.path.join(ROOT, 'scripts', 'bench-check'),
                               '--figures', self.figures, '--results', results, *words],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def recorded(self):
        with open(self.figures) as file:
            return json.load(file)['figures']


def changed(**medians):
    """ROWS with other medians for some workloads."""
    rows = copy.deepcopy(ROWS)
    for one in rows:
        one['median'] = medians.get(one['workload'], one['median'])
    return rows


@test
def the_same_figures_are_not_slower():
    code, said = Check(ROWS).run(ROWS)
    equal(code, 0, said)


@test
def a_little_slower_passes_and_more_is_named():
    check = Check(ROWS)
    equal(check.run(changed(pingpong=68.0))[0], 0, 'exit code at 13 %')
    code, said = check.run(changed(pingpong=70.0))
    equal(code, 1, said)
    expect('slower by more than 15 %: pingpong ns_per_msg (near)' in said, said)
    expect('rcounting' not in said.split('slower by more', 1)[1], said)


@test
def of_a_rate_less_is_worse_and_of_memory_more():
    check = Check(ROWS)
    equal(check.run(changed(rcounting=2e6))[0], 1, 'exit code at two thirds of the rate')
    equal(check.run(changed(rcounting=9e6))[0], 0, 'exit code at three times the rate')
    equal(check.run(changed(idlemem=300.0))[0], 1, 'exit code with more memory')
    equal(check.run(changed(idlemem=100.0, pingpong=10.0))[0], 0, 'exit code when better')
    equal(check.run(changed(snap=9.0))[0], 0, 'exit code for a count, which is not compared')


@test
def a_machine_that_is_slower_as_a_whole_is_no_regression():
    rows = changed(pingpong=120.0, rcounting=1.5e6)
    for one in rows:
        one['loop_ns'] = 10.0
    code, said = Check(ROWS).run(rows)
    equal(code, 0, said)


@test
def states_are_kept_and_compared_apart():
    check = Check(ROWS)
    far = [row('pingpong', 'ns_per_msg', 'ns', 240.0, 'far')]
    code, said = check.run(far)
    equal(code, 2, said)
    equal(check.run(far, '--record')[0], 0, 'exit code of --record')
    equal(sorted(check.recorded()), ['any', 'far', 'near'], 'states recorded')
    equal(check.run(far)[0], 0, 'exit code in the far state')
    equal(check.run(changed(pingpong=240.0))[0], 1, 'exit code in the near state')


@test
def memory_is_compared_whatever_the_state():
    check = Check(ROWS)
    for state in ('far', 'mixed'):
        rows = [row('idlemem', 'bytes_per_actor', 'bytes', 300.0, state)]
        equal(check.run(rows)[0], 1, f'exit code in the {state} state')


@test
def mixed_runs_are_neither_recorded_nor_compared():
    check = Check(ROWS + [row('big', 'ns_per_msg', 'ns', 9.0, 'mixed')])
    expect('mixed' not in check.recorded(), check.recorded())
    equal(check.run(ROWS + [row('pingpong', 'ns_per_msg', 'ns', 900.0, 'mixed')])[0], 0, 'exit code')


@test
def recording_one_workload_keeps_the_others():
    check = Check(ROWS)
    check.run([row('pingpong', 'ns_per_msg', 'ns', 30.0)], '--record')
    kept = check.recorded()['near']
    equal(sorted(kept), ['pingpong ns_per_msg', 'rcounting msgs'], 'kept')
    equal(kept['pingpong ns_per_msg']['kept'], 6.0, 'ratio to the loop')


@test
def a_new_workload_is_told_and_fails_nothing():
    code, said = Check(ROWS).run(ROWS + [row('rspawn', 'rate', 'actors/s', 9.0)])
    equal(code, 0, said)
    expect('not recorded' in said, said)


@test
def what_is_no_result_is_refused():
    check = Check(ROWS)
    code, said = check.run(None)
    equal(code, 2, said)
    with open(check.figures, 'w') as file:
        file.write('{}')
    equal(check.run(ROWS)[0], 2, 'exit code with a file of no schema')


if __name__ == '__main__':
    run()
