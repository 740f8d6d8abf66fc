#!/usr/bin/python3
"""Snapshots of a bank of three nodes under full transfer load, each checked from its files alone.

200 in a row, one behind the other while transfers never pause; read afterwards by
check_snapshot.py (I6, I7, I8, digests, signature) and added up. For the first of them all three
tellers run, and up to 100,000 messages are in flight; then one, which keeps the accounts as busy
with fewer waiting. Then what a cut may cost: others' transfers per second, and the answers of
actors beside one that is busy for seconds.
"""
import concurrent.futures
import gc
import json
import multiprocessing
import os
import shutil
import time

import check_snapshot
from harness import (Cluster, behavior, equal, expect, open_bank, run, run_tellers, start_troupe,
                     tellers, test, troupe, until, until_quiet)

SNAPSHOTS = 200
CROWDED = 40  # of them, with all tellers running
ACCOUNTS = 3
MARKS = {'mailbox_high': 4}
PERIOD = 4  # seconds of one measurement
PERIODS = 3


def examine(folder):
    """Checks one snapshot in a process of its own, removes it, returns what it was or why not."""
    gc.disable()  # nothing here refers in circles, and 100,000 messages are many lists to look at
    try:
        result = check_snapshot.check_snapshot(folder, (), ['account.cents', 'deposit.cents'])
    except (check_snapshot.Violation, OSError, KeyError, TypeError, ValueError) as error:
        return {'error': f'{os.path.basename(folder)}: {error!r}'}
    shutil.rmtree(folder)
    return result


def examine_all(cluster, taken):
    folders = [os.path.join(cluster.snapshots, one['id']) for one in taken]
    context = multiprocessing.get_context('forkserver')
    with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
        return list(pool.map(examine, folders))


def stop_tellers(cluster):
    for name in cluster.nodes:
        cluster.ok('ask', 't' + name[1:], 'stop', '--timeout', '30s')
    until_quiet(cluster)


def account_for_all(cluster, money):
    """After the drain: every transfer a teller sent was handled, and no cent is missing."""
    stop_tellers(cluster)
    members = cluster.ok('status')['nodes']
    equal(sum(member['dead_letters'] for member in members), 0, 'dead letters')
    last = cluster.ok('snapshot', 'create')
    sent, handled, cents, transit = (
        cluster.ok('snapshot', 'sum', last['id'], term)['total']
        for term in ('teller.sent', 'account.transfers', 'account.cents', 'deposit.cents'))
    equal(last['in_flight'], 0, 'in flight after the drain')
    equal(handled, sent, 'transfers handled, sent')
    equal((cents, transit), (money, 0), 'cents in accounts and in flight')
    expect(sent > 0, 'no transfer at all')
    return sent


@test
def two_hundred_snapshots_in_a_row_are_consistent():
    with Cluster(3, **MARKS) as cluster:
        money = open_bank(cluster, ACCOUNTS)
        run_tellers(cluster, ACCOUNTS)
        begin, taken = time.monotonic(), []
        for number in range(SNAPSHOTS):
            if number == CROWDED:
                for teller in ('t2', 't3'):
                    cluster.ok('send', teller, 'stop', '--timeout', '30s')
            taken.append(cluster.ok('snapshot', 'create'))
        took = time.monotonic() - begin
        equal(tellers(cluster)['running'], 1, 'tellers at the end')
        sent = account_for_all(cluster, money)
        results = examine_all(cluster, taken)
    for one, result in zip(taken, results):
        expect('error' not in result, result.get('error'))
        equal(result['sum']['total'], money, f'{one["id"]}: cents')
        equal(result['in_flight'], one['in_flight'], f'{one["id"]}: in flight')
        equal((result['nodes'], one['consistent']), (3, True), f'{one["id"]}: nodes, consistent')
    equal(len({one['id'] for one in taken}), SNAPSHOTS, 'different snapshots')
    flights = sorted(one['in_flight'] for one in taken)
    expect(sum(count > 0 for count in flights) > SNAPSHOTS // 2, 'mostly nothing in flight', flights)
    times = sorted(one['duration_ms'] for one in taken)
    print(f'  {SNAPSHOTS} snapshots in {took:.1f} s, {sent} transfers; '
          f'{sum(count > 0 for count in flights)} with messages in flight '
          f'(median {flights[SNAPSHOTS // 2]}, most {flights[-1]}); '
          f'duration ms median {times[SNAPSHOTS // 2]}, most {times[-1]}')


def count_transfers(cluster, meanwhile):
    """Transfers per second over a period in which `meanwhile` is called again and again."""
    begin, before = time.monotonic(), tellers(cluster)['sent']
    calls = 0
    while time.monotonic() - begin < PERIOD:
        calls += meanwhile() is not None
    after = tellers(cluster)['sent']
    return (after - before) / (time.monotonic() - begin), calls


@test
def transfers_go_on_while_snapshots_run_back_to_back():
    with Cluster(3, **MARKS) as cluster:
        money = open_bank(cluster, ACCOUNTS)
        run_tellers(cluster, ACCOUNTS)

        def snapshot():
            return cluster.ok('snapshot', 'create')

        count_transfers(cluster, lambda: time.sleep(0.1))
        alone, busy, snapshots = 0, 0, 0
        for _ in range(PERIODS):
            alone += count_transfers(cluster, lambda: time.sleep(0.1))[0] / PERIODS
            rate, calls = count_transfers(cluster, snapshot)
            busy, snapshots = busy + rate / PERIODS, snapshots + calls
        print(f'  undisturbed {alone:.0f} transfers/s, during {snapshots} snapshots back to back '
              f'{busy:.0f}: ratio {busy / alone:.2f}')
        expect(busy / alone >= 0.5, f'only {busy / alone:.2f} of the transfers')
        account_for_all(cluster, money)


@test
def snapshots_begun_at_once_by_all_nodes_do_not_mix():
    with Cluster(3, **MARKS) as cluster:
        money = open_bank(cluster, ACCOUNTS)
        run_tellers(cluster, ACCOUNTS)
        taken, aborted = [], []
        for _ in range(5):
            runs = [start_troupe(cluster.dir, 'snapshot', 'create', *cluster.through(name))
                    for name in cluster.nodes]
            for one in runs:
                out, err = one.communicate(timeout=90)
                expect(one.returncode in (0, 75), out, err)
                (taken if one.returncode == 0 else aborted).append(json.loads(out))
        account_for_all(cluster, money)
        results = examine_all(cluster, [one['data'] for one in taken])
        for result in results:
            expect('error' not in result, result.get('error'))
            equal(result['sum']['total'], money, f'{result["id"]}: cents')
        for one in aborted:
            expect(one['error']['code'] in ('TR_EABORTED', 'TR_ETIMEDOUT', 'TR_EBUSY'), one)
        print(f'  15 begun, {len(taken)} committed, {len(aborted)} aborted by name')
        expect(len(taken) >= 5, f'only {len(taken)} of 15 committed')


@test
def a_handler_of_three_seconds_delays_no_other_actor():
    with Cluster(3, loads=[behavior('probe')], workers=2) as cluster:
        for name in ('busy', 'free'):
            cluster.ok('spawn', 'sleeper', '--name', name, '--on', 'n1')
        cluster.ok('send', 'busy', 'nap', '{"ms": 3000}')
        until(lambda: 'nap begins' in cluster['n1'].log(), 10, 'the nap')
        begin, longest, asks = time.monotonic(), 0, 0
        taking = start_troupe(cluster.dir, 'snapshot', 'create')
        while time.monotonic() - begin < 2.5:
            asked = time.monotonic()
            reply = cluster.ok('ask', 'free', 'peek')
            longest, asks = max(longest, time.monotonic() - asked), asks + 1
            equal(reply['body'], {'naps': 0}, 'the reply')
        out, err = taking.communicate(timeout=30)
        equal(taking.returncode, 0, f'snapshot during the nap: {out}{err}')
        state = {actor['name']: actor['state'] for actor in
                 troupe(cluster.dir, 'snapshot', 'show',
                        json.loads(out)['data']['id']).data['contents']['actors']}
        print(f'  {asks} asks beside the nap, the longest {longest * 1000:.0f} ms')
        expect(longest < 1, f'an ask took {longest:.2f} s')
        equal(state['free'], {'naps': 0}, 'state of the other')
        expect(state['busy']['naps'] in (0, 1), state)
        equal(cluster.ok('ask', 'busy', 'peek')['body'], {'naps': 1}, 'naps afterwards')


if __name__ == '__main__':
    run()
