#!/usr/bin/python3
"""Membership and names among real processes: joining at once, unique names, death, return, leave.

The times after which a silent member is suspected and declared down are short here, and long
enough for a machine that is busy with other things.
"""
import signal

from harness import Cluster, behavior, equal, expect, run, start_troupe, test, until

TIMES = {'suspect_after': '1s', 'down_after': '4s'}


def states(cluster, contact=None):
    return {name: member['state'] for name, member in cluster.members(contact).items()}


def until_state(cluster, name, state, contact=None, seconds=60):
    until(lambda: states(cluster, contact).get(name) == state, seconds, f'{name} is {state}')


def claims(cluster, name):
    """Each node claims the same name at once; those that got it, and the errors of the others."""
    runs = [start_troupe(cluster.dir, 'spawn', 'echo', '--name', name, '--on', node,
                         '--timeout', '30s') for node in cluster.nodes]
    ended = [(*one.communicate(timeout=60), one.returncode) for one in runs]
    return [out for out, _, code in ended if code == 0], [one for one in ended if one[2] != 0]


@test
def eight_nodes_join_at_once_and_names_are_unique():
    with Cluster(8, loads=[behavior('probe')], workers=1) as cluster:
        all_up = {name: 'up' for name in cluster.nodes}
        for name in cluster.nodes:
            until(lambda: states(cluster, name) == all_up, 60, f'{name} sees all up')
        for number in range(3):
            name = f'only-{number}'
            won, lost = claims(cluster, name)
            equal((len(won), len(lost)), (1, 7), f'claims of {name}')
            for out, err, code in lost:
                equal(code, 65, f'exit of a refused claim: {out}{err}')
                expect('TR_EEXIST' in out and name in out, out)
            for contact in cluster.nodes:
                until(lambda: cluster.run('actor', 'show', name, *cluster.through(contact)).code == 0,
                      20, f'{contact} finds {name}')


@test
def killed_node_is_down_and_its_names_are_free_until_it_returns():
    with Cluster(3, loads=[behavior('probe')], **TIMES) as cluster:
        cluster.ok('spawn', 'echo', '--name', 'there', '--on', 'n3')
        first = cluster.members()['n3']['incarnation']
        cluster['n3'].kill()
        for contact in ('n1', 'n2'):
            until_state(cluster, 'n3', 'down', contact)
        until(lambda: cluster.run('ask', 'there', 'kinds').code == 66, 20, 'the name is gone')
        cluster.ok('spawn', 'echo', '--name', 'there', '--on', 'n1', '--timeout', '30s')
        cluster.start('n3').wait_up()
        until_state(cluster, 'n3', 'up', 'n1')
        again = cluster.members()['n3']
        expect(again['incarnation'] > first, f'incarnation {first}, then {again["incarnation"]}')
        equal(again['pid'], cluster['n3'].pid, 'process of n3')
        equal(cluster.ok('ask', 'there', 'kinds', *cluster.through('n3'))['record'], 'kinds',
              'reply through the returned node')


@test
def stopped_node_has_left():
    with Cluster(3, loads=[behavior('probe')], **TIMES) as cluster:
        cluster.ok('spawn', 'echo', '--name', 'there', '--on', 'n3')
        cluster['n3'].signal(signal.SIGTERM)
        equal(cluster['n3'].wait_end(), 0, 'exit code')
        for contact in ('n1', 'n2'):
            until_state(cluster, 'n3', 'left', contact, 20)
        until(lambda: cluster.run('ask', 'there', 'kinds').code == 66, 20, 'the name is gone')
        cluster.ok('node', 'stop', 'n2')
        equal(cluster['n2'].wait_end(), 0, 'exit code after node stop')
        until_state(cluster, 'n2', 'left', 'n1', 20)
        equal(cluster.ok('snapshot', 'create')['nodes'], 1, 'nodes of a snapshot afterwards')
        cluster.start('n3').wait_up()
        until_state(cluster, 'n3', 'up', 'n1')


@test
def paused_node_heals_with_the_same_incarnation():
    with Cluster(3, loads=[behavior('probe')], **TIMES) as cluster:
        cluster.ok('spawn', 'echo', '--name', 'there', '--on', 'n3')
        before = cluster.members()['n3']['incarnation']
        cluster['n3'].signal(signal.SIGSTOP)
        for contact in ('n1', 'n2'):
            until_state(cluster, 'n3', 'down', contact)
        cluster['n3'].signal(signal.SIGCONT)
        for contact in cluster.nodes:
            until(lambda: set(states(cluster, contact).values()) == {'up'}, 60,
                  f'{contact} sees all up again')
        equal(cluster.members()['n3']['incarnation'], before, 'incarnation after the pause')
        expect(cluster['n3'].alive(), 'n3 has ended')
        until(lambda: cluster.run('ask', 'there', 'kinds', *cluster.through('n1')).code == 0, 30,
              'the name of the healed node')
        taken = until(lambda: cluster.run('snapshot', 'create').data, 60, 'a snapshot')
        equal((taken['nodes'], taken['consistent']), (3, True), 'the snapshot')


if __name__ == '__main__':
    run()
