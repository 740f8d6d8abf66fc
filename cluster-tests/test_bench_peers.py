#!/usr/bin/python3
"""What scripts/bench-peers decides and prints, with canned figures: no peer and no timing."""
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
from types import SimpleNamespace

from harness import ROOT, equal, expect, run, test

SCRIPT = os.path.join(ROOT, 'scripts', 'bench-peers')


def load_script():
    loader = importlib.machinery.SourceFileLoader('bench_peers', SCRIPT)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('bench_peers', loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


script = load_script()
comparison, systems = script.comparison, script.systems
Sample = comparison.Sample


def samples(**states):
    """{system: samples of ns_per_msg}, the nth of which is n; `troupe='nnf'` is near, near, far."""
    words = {'n': 'near', 'f': 'far', 'm': 'mixed'}
    return {system: [Sample(words[letter], {'ns_per_msg': float(index)})
                     for index, letter in enumerate(text, 1)] for system, text in states.items()}


def figures(found):
    return {system: [one.figures['ns_per_msg'] for one in runs] for system, runs in found.items()}


def said(*words):
    return subprocess.run([SCRIPT, *words], capture_output=True, text=True, timeout=30, check=False)


# ---- states --------------------------------------------------------------------------------------

@test
def a_run_between_two_states_is_mixed():
    time = {'ns_per_msg': 50.0}
    equal(comparison.state_of_run('near', 'near', time), 'near', 'both near')
    equal(comparison.state_of_run('near', 'far', time), 'mixed', 'near, then far')
    equal(comparison.state_of_run('one-core', 'one-core', time), 'one-core', 'one core')


@test
def memory_is_compared_in_any_state():
    equal(comparison.state_of_run('near', 'far', {'bytes_per_actor': 256.0}), 'any', 'memory')


@test
def the_state_with_most_complete_sets_is_compared():
    found = samples(troupe='nnfff', erlang='nffff', caf='fffnn')
    state, chosen = comparison.comparable(found)
    equal(state, 'far', 'state')
    equal(figures(chosen), {'troupe': [3, 4, 5], 'erlang': [2, 3, 4], 'caf': [1, 2, 3]}, 'samples')


@test
def sets_count_and_not_samples():
    state, chosen = comparison.comparable(samples(troupe='ffffn', erlang='fffnn', caf='nnnmm'))
    equal((state, {len(runs) for runs in chosen.values()}), ('near', {1}), 'one set, of near')


@test
def near_comes_first_among_equals():
    equal(comparison.best_state(samples(troupe='fn', erlang='nf')), 'near', 'state')


@test
def without_a_complete_set_all_is_shown_as_mixed():
    found = samples(troupe='nn', erlang='ff', caf='mm')
    equal(comparison.comparable(found), ('mixed', found), 'what is compared')
    equal(comparison.comparable(samples(troupe='mm', erlang='mm'))[0], 'mixed', 'only mixed runs')


@test
def those_that_lack_the_best_state_are_run_again():
    equal(comparison.wanting(samples(troupe='nnn', erlang='nnf', caf='nmn'), 3), ['erlang', 'caf'],
          'two of three')
    equal(comparison.wanting(samples(troupe='nnn', erlang='nnn'), 3), [], 'none')


# ---- figures -------------------------------------------------------------------------------------

@test
def a_ratio_above_one_is_in_our_favour_for_times_and_for_rates():
    equal(comparison.ratio('ns_per_msg', 50.0, 200.0), 4.0, 'time')
    equal(comparison.ratio('per_s', 6e6, 2e6), 3.0, 'rate')
    equal(comparison.ratio('p50_us', 80.0, 40.0), 0.5, 'slower')
    equal(comparison.ratio('per_s', None, 2e6), None, 'no figure of ours')


@test
def rows_have_medians_of_one_state_and_ratios():
    found = samples(troupe='fnnn', erlang='nnnf')  # near: 2, 3, 4 and 1, 2, 3
    row, = comparison.rows(comparison.WORKLOADS['pingpong'], found)
    equal((row['state'], row['runs'], row['unit']), ('near', 3, 'ns'), 'state, runs, unit')
    equal((row['troupe']['median'], row['erlang']['median'], row['caf']), (3.0, 2.0, None),
          'medians')
    equal(row['ratio'], {'erlang': 2 / 3, 'caf': None}, 'ratios')
    equal(row['seen'], {'troupe': {'far': 1, 'near': 3}, 'erlang': {'near': 3, 'far': 1}}, 'seen')


@test
def a_system_whose_runs_failed_leaves_the_others_comparable():
    found = samples(troupe='', erlang='n', caf='n')
    row, = comparison.rows(comparison.WORKLOADS['pingpong'], found)
    equal((row['state'], row['troupe'], row['ratio']),
          ('near', None, {'erlang': None, 'caf': None}), 'row')


@test
def output_of_the_systems_is_read():
    text = 'p50_us 71.7370\np99_us 107.4200\n'
    equal(systems.figures_of_lines(text), {'p50_us': 71.737, 'p99_us': 107.42}, 'lines')
    data = [{'workload': 'rcounting_64', 'metric': metric, 'unit': '1/s', 'median': value}
            for metric, value in (('per_s', 5e6), ('per_s_curve', 3e6))]
    text = json.dumps({'schema': 'troupe/1', 'kind': 'BenchResults', 'data': data})
    equal(systems.figures_of_json(text, 'rcounting_64'), {'per_s': 5e6, 'per_s_curve': 3e6}, 'json')
    for read in (systems.figures_of_lines, lambda text: systems.figures_of_json(text, 'x')):
        try:
            read('Segmentation fault\n')
        except systems.Trouble:
            continue
        expect(False, 'nonsense was taken for figures')


@test
def a_busy_machine_is_called_so():
    equal(comparison.doubt(0.99, 0.1, 'big'), None, 'idle')
    found = comparison.doubt(0.6, 1.9, 'big')
    expect('40 %' in found and 'before big' in found and '1.90' in found, found)
    expect(comparison.look_seconds(1.9, 2) > comparison.look_seconds(0.1, 2), 'a longer look')


# ---- the order of runs ---------------------------------------------------------------------------

def replayed(monkey, only=('troupe', 'erlang', 'caf'), runs=2):
    """Measures pingpong with states, or trouble, that monkey(system, n) tells for the nth run of
    the system; returns (rows, order, failures)."""
    order, failures, now = [], [], SimpleNamespace(state='near')

    def run_once(system, _):
        order.append(system[0].upper())
        now.state = monkey(system, order.count(system[0].upper()))
        if now.state == 'trouble':
            now.state = 'near'
            raise systems.Trouble('it broke')
        return {'ns_per_msg': 10.0}

    def calibrate():
        state, now.state = now.state, now.state if now.state != 'mixed' else 'near'
        return state

    real = systems.run_once, systems.calibrate
    systems.run_once, systems.calibrate = run_once, calibrate
    try:
        runner = script.Runner(comparison.WORKLOADS['pingpong'], list(only),
                               script.Progress(0), failures)
        rows = comparison.rows(runner.workload, runner.measure(runs))
        return rows, ''.join(order), failures
    finally:
        systems.run_once, systems.calibrate = real


@test
def systems_take_turns_after_a_warm_up():
    rows, order, failures = replayed(lambda *_: 'near')
    equal((order, failures, rows[0]['runs']), ('TEC' * 3, [], 2), 'order, failures, runs')


@test
def only_what_is_lacking_is_repeated():
    rows, order, _ = replayed(lambda system, n: 'mixed' if (system, n) == ('erlang', 3) else 'near')
    equal((order, rows[0]['runs'], rows[0]['state']), ('TEC' * 3 + 'E', 2, 'near'), 'one more of E')


@test
def repetition_ends():
    rows, order, _ = replayed(lambda system, _: 'mixed' if system == 'caf' else 'near')
    equal((order, rows[0]['state']), ('TEC' * 3 + 'CC', 'mixed'), 'two more, then no more')


@test
def a_system_that_fails_is_left_out_and_named():
    rows, order, failures = replayed(lambda system, n: 'trouble' if system == 'caf' else 'near')
    equal((order, rows[0]['caf'], rows[0]['runs']), ('TECTETE', None, 2), 'order')
    equal(failures, [(70, 'pingpong, CAF: it broke')], 'failures')


@test
def a_workload_that_a_system_lacks_is_run_without_it():
    one = comparison.WORKLOADS['idlemem_hib']
    runner = script.Runner(one, list(comparison.SYSTEMS), script.Progress(0), [])
    equal(runner.systems, ['troupe', 'erlang'], 'systems')


# ---- what is printed -----------------------------------------------------------------------------

def canned_rows(trusted=True):
    near = {'troupe': [Sample('near', {'ns_per_msg': 50.0})],
            'erlang': [Sample('near', {'ns_per_msg': 188.0})]}
    rates = {'troupe': [Sample('far', {'per_s': 6e6})], 'erlang': [Sample('far', {'per_s': 2e5})],
             'caf': [Sample('far', {'per_s': 182000.0})]}
    return (comparison.rows(comparison.WORKLOADS['pingpong'], near)
            + comparison.rows(comparison.WORKLOADS['rcounting_64'], rates, trusted))


@test
def the_table_has_a_line_for_each_metric():
    wanted = [
        'WORKLOAD METRIC UNIT troupe Erlang CAF Erlang/troupe CAF/troupe STATE RUNS',
        'pingpong ns_per_msg ns 50.0 188 - 3.76 x - near 1',
        'rcounting_64 per_s 1/s 6,000,000 200,000 182,000 30.0 x 33.0 x far 1']
    lines = comparison.table(canned_rows()).splitlines()
    equal([' '.join(line.split()) for line in lines], wanted, 'lines')
    expect(lines[1].index('50.0') > lines[0].index('troupe'), 'numbers stand to the right')


@test
def a_table_says_first_and_in_the_line_what_cannot_be_trusted():
    lines = comparison.table(canned_rows(trusted=False), ['other programs']).splitlines()
    equal(lines[0], 'NOT TO BE TRUSTED: other programs', 'first line')
    equal(['(busy)' in line for line in lines[2:]], [False, True], 'only the one of the busy time')


@test
def json_has_all_of_it():
    text = json.dumps(comparison.document(canned_rows(), ['load'], 5, []))
    found = json.loads(text)
    equal((found['schema'], found['kind']), ('troupe/1', 'PeerComparison'), 'envelope')
    data = found['data']
    equal((data['trusted'], data['doubts'], data['runs']), (False, ['load'], 5), 'head')
    equal([row['ratio'] for row in data['rows']],
          [{'erlang': 3.76, 'caf': None}, {'erlang': 30.0, 'caf': 6e6 / 182000}], 'ratios')


@test
def usage_errors_suggest_the_nearest():
    one = said('pingpnog')
    equal((one.returncode, one.stdout), (64, ''), 'exit of an unknown workload')
    expect('did you mean `pingpong`?' in one.stderr and 'fix:' in one.stderr, one.stderr)
    equal(said('--runs', 'many').returncode, 64, 'exit of no number')
    equal(said('--only', 'akka').returncode, 64, 'exit of an unknown system')
    expect('examples:' in said('--help').stdout, 'help has examples')
    equal([line.split()[0] for line in said('--list').stdout.splitlines()],
          list(comparison.WORKLOADS), 'list')


if __name__ == '__main__':
    run()
