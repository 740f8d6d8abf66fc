#!/usr/bin/python3
"""The command line's contract: commands, JSON shapes, exit codes, and nodes that outlive errors.

First a cluster that `troupe up` launches, through a day of its life; then everything that people
get wrong, each with its exit code; daemons that must refuse to start; a trace across nodes; a full
mailbox; snapshots whose files were altered.
"""
import glob
import json
import os
import re
import signal
import subprocess
import time

from harness import (BANK, BUILD, Cluster, behavior, compile_shared, die_with_parent, equal, expect,
                     folder, free_port, run, test, troupe, until)

MEMBER = {'name': str, 'endpoint': str, 'state': str, 'incarnation': int, 'pid': int, 'actors': int}
ACTOR = {'pid': str, 'name': str, 'node': str, 'behavior': str, 'state': str, 'mailbox': int,
         'processed': int, 'restarts': int}
SPAWNED = {'pid': str, 'name': str, 'node': str}
SNAPSHOT = {'id': str, 'epoch': int, 'consistent': bool, 'nodes': int, 'actors': int,
            'in_flight': int, 'bytes': int, 'duration_ms': int}
LINK = {'from': str, 'to': str, 'sent': int, 'received': int, 'recorded': int}


def shaped(data, shape, what):
    expect(isinstance(data, dict), f'{what}: {data!r}')
    for key, kind in shape.items():
        expect(isinstance(data.get(key), kind), f'{what}: {key} in {data!r}')
    return data


# ---- a cluster of `troupe up` -------------------------------------------------------------------

class Up:
    """`troupe up` in a folder of its own; what it launched ends with the block, by its id."""

    def __init__(self, *words):
        self.dir, self.words, self.pids = folder('up'), words, set()

    def __enter__(self):
        self.said = self.run('up', *self.words)
        return self

    def run(self, *words, **options):
        said = troupe(self.dir, *words, **options)
        for path in glob.glob(os.path.join(self.dir, 'nodes', '*', 'pid')):
            with open(path) as file:
                self.pids.add(int(file.read()))
        return said

    def ok(self, *words, kind=None, **options):
        said = self.run(*words, **options)
        expect(said.code == 0, said)
        equal(said.json.get('schema'), 'troupe/1', f'schema of {words}')
        equal(said.json.get('kind', kind), kind or said.json.get('kind'), f'kind of {words}')
        return said.data

    def alive(self):
        """Of what was launched, what still runs in this folder."""
        found = []
        for pid in self.pids:
            try:
                with open(f'/proc/{pid}/cmdline', 'rb') as file:
                    if self.dir.encode() in file.read():
                        found.append(pid)
            except OSError:
                pass
        return found

    def __exit__(self, *_):
        self.run('down', '--timeout', '10s')
        for pid in self.alive():
            os.kill(pid, signal.SIGKILL)


@test
def every_command_answers_in_its_shape():
    with Up('3', '--load', BANK, '--load', behavior('probe')) as up:
        expect(up.said.code == 0, up.said)
        equal(up.said.json['kind'], 'Up', 'kind')
        for data in (up.said.data, up.ok('status', kind='Status'), up.ok('node', 'list')):
            equal([shaped(node, MEMBER, 'node')['name'] for node in data['nodes']],
                  ['n1', 'n2', 'n3'], 'nodes')
            equal({node['state'] for node in data['nodes']}, {'up'}, 'states')
        expect(up.pids == {node['pid'] for node in up.said.data['nodes']}, 'process ids')
        actors_answer_in_their_shape(up)
        snapshots_answer_in_their_shape(up)
        others_answer_in_their_shape(up)
        nodes_come_and_go(up)


def actors_answer_in_their_shape(up):
    one = shaped(up.ok('spawn', 'account', '--name', 'alice', '--on', 'n2', '--state',
                       '{"cents": 100}', kind='Spawn'), SPAWNED, 'spawn')
    equal((one['name'], one['node']), ('alice', 'n2'), 'spawn')
    many = up.ok('spawn', 'account', '--name', 'acc', '--count', '6')
    equal([shaped(each, SPAWNED, 'spawn')['name'] for each in many], [f'acc-{i}' for i in range(6)],
          'names')
    equal({each['node'] for each in many}, {'n1', 'n2', 'n3'}, 'spread over')
    sent = up.ok('send', 'alice', 'deposit', '{"cents": 5}', kind='Send')
    expect(re.fullmatch('[0-9a-f]{32}', sent['trace_id']), sent)
    asked = up.ok('ask', one['pid'], 'get', kind='Ask')
    equal((asked['record'], asked['body']), ('balance', {'cents': 105}), 'reply')
    expect(re.fullmatch('[0-9a-f]{32}', asked['trace_id']), asked)
    asked = up.ok('ask', 'alice', 'deposit', '-', stdin='{"cents": 10}')
    equal(asked['body'], {'cents': 115}, 'body from stdin')
    path = os.path.join(up.dir, 'body.json')
    with open(path, 'w') as file:
        file.write('{"cents": 20}')
    equal(up.ok('ask', 'alice', 'withdraw', '@' + path)['body'], {'cents': 95}, 'body from a file')
    listed = up.ok('actor', 'list', kind='ActorList')
    equal(sorted(shaped(actor, ACTOR, 'actor')['name'] for actor in listed),
          ['acc-0', 'acc-1', 'acc-2', 'acc-3', 'acc-4', 'acc-5', 'alice'], 'actors')
    equal(len(up.ok('actor', 'list', '--node', 'n2', '--behavior', 'account')), 3, 'actors of n2')
    equal(up.ok('actor', 'show', 'alice')['contents'], {'cents': 95, 'transfers': 0}, 'contents')
    up.ok('actor', 'stop', 'acc-5')
    equal(up.run('ask', 'acc-5', 'get').code, 66, 'exit for a stopped actor')
    echoes_come_back(up)


def echoes_come_back(up):
    up.ok('spawn', 'echo', '--name', 'echo', '--on', 'n3')
    sent = {'small': -128, 'large': str(2**64 - 1), 'real': -0.5, 'truth': True, 'chars': 'abcdefgh',
            'octets': 'AAEC/w==', 'text': 'grün "x"\n', 'bytes': 'aGVsbG8=', 'pid': '-',
            'three': [1, -2, 2147483647], 'numbers': [-(2**63), 2**63 - 1], 'point': {'x': 1, 'y': -1},
            'points': [{'x': 0, 'y': 7}, {'x': 5, 'y': 0}]}
    body = up.ok('ask', 'echo', 'kinds')['body']
    equal(set(body), set(sent), 'fields')
    sent['pid'] = body['pid']
    equal(up.ok('ask', 'echo', 'kinds', json.dumps(sent))['body'], sent, 'echo')
    pid = up.ok('actor', 'show', 'alice')['pid']
    equal(up.ok('ask', 'echo', 'kinds', json.dumps({'pid': pid}))['body']['pid'], pid, 'pid')


def snapshots_answer_in_their_shape(up):
    taken = shaped(up.ok('snapshot', 'create', kind='Snapshot'), SNAPSHOT, 'create')
    equal(sorted((shaped(link, LINK, 'link')['from'], link['to']) for link in taken['links']),
          [(a, b) for a in ('n1', 'n2', 'n3') for b in ('n1', 'n2', 'n3') if a != b], 'links')
    name = taken['id']
    equal([shaped(each, {key: SNAPSHOT[key] for key in ('id', 'epoch', 'consistent')}, 'list')['id']
           for each in up.ok('snapshot', 'list')], [name], 'list')
    shown = shaped(up.ok('snapshot', 'show', name), SNAPSHOT, 'show')
    alice = [actor for actor in shown['contents']['actors'] if actor['name'] == 'alice'][0]
    equal((alice['node'], alice['behavior'], alice['state']),
          ('n2', 'account', {'cents': 95, 'transfers': 0}), 'alice')
    equal(shown['contents']['messages'], [], 'messages')
    shaped(up.ok('snapshot', 'verify', name), SNAPSHOT, 'verify')
    equal(up.ok('snapshot', 'sum', name, 'account.cents', 'deposit.cents'),
          {'total': 95, 'actors': 95, 'in_flight': 0}, 'sum')


def others_answer_in_their_shape(up):
    behaviors = {one['name']: one for one in up.ok('behavior', 'list')}
    expect({'account', 'teller', 'sleeper', 'relay', 'echo'} <= set(behaviors), behaviors)
    handlers = up.ok('behavior', 'show', 'account')['handlers']
    equal([handler['name'] for handler in handlers], ['deposit', 'withdraw', 'transfer', 'get'],
          'records')
    equal(handlers[0]['fields'], [{'name': 'cents', 'kind': 'i64', 'shape': 'one'}], 'fields')
    equal({key['name'] for key in up.ok('keys', 'list')}, {'n1', 'n2', 'n3', 'operate.local'}, 'keys')
    expect(up.ok('logs'), 'no logs')
    up.ok('dead', 'list')
    for words in (['help'], ['help', 'spawn'], ['--version'], ['completion', 'bash']):
        said = up.run(*words)
        expect(said.code == 0 and said.out, said)
    said = up.run('status', '-q', '-o', 'table', '--no-headers')
    equal([line.split()[0] for line in said.out.splitlines()], ['n1', 'n2', 'n3'], 'table')


def nodes_come_and_go(up):
    before = up.ok('node', 'show', 'n3')
    up.ok('node', 'kill', 'n3')
    until(lambda: up.ok('node', 'show', 'n3')['state'] == 'down', 60, 'n3 is down')
    up.ok('node', 'start', 'n3')
    after = up.ok('node', 'show', 'n3')
    equal(after['state'], 'up', 'state')
    expect(after['incarnation'] > before['incarnation'] and after['pid'] != before['pid'], after)
    up.ok('node', 'stop', 'n3')
    equal(up.ok('node', 'show', 'n3')['state'], 'left', 'state')
    up.ok('down')
    equal(up.alive(), [], 'processes after down')
    for words in (['status'], ['ask', 'alice', 'get'], ['snapshot', 'create']):
        said = up.run(*words)
        equal((said.code, said.error['code']), (69, 'TR_EUNREACHABLE'), f'{words} after down')
    equal(len(up.ok('snapshot', 'list')), 1, 'snapshots after down')
    up.ok('up')
    equal({node['state'] for node in up.ok('node', 'list')['nodes']}, {'up'}, 'states after another up')


@test
def up_that_cannot_work_leaves_no_process():
    missing = os.path.join(folder('none'), 'missing.so')
    with Up('2', '--load', missing) as up:
        equal(up.said.code, 66, up.said)
        equal(up.alive(), [], 'processes')
    broken = os.path.join(folder('none'), 'broken.so')
    with open(broken, 'wb') as file:
        file.write(b'\x7fELF' + bytes(100))
    with Up('2', '--load', broken) as up:
        expect(up.said.code == 65 and 'broken.so' in up.said.err, up.said)
        equal(up.alive(), [], 'processes')
    with Up('2', '--set', 'no-such-key=1') as up:
        expect(up.said.code == 78 and 'no-such-key' in up.said.err, up.said)
    for words in (['0'], ['many'], ['2', '3'], ['--workers', 'x']):
        with Up(*words) as up:
            equal(up.said.code, 64, up.said)


# ---- what people get wrong ----------------------------------------------------------------------

MISTAKES = [  # exit code, error code, words of message or hint, command
    (66, 'TR_ENOENT', 'account', 'spawn', 'acount'),
    (66, 'TR_ENOENT', 'n9', 'spawn', 'account', '--on', 'n9'),
    (65, 'TR_EEXIST', 'alice', 'spawn', 'account', '--name', 'alice'),
    (64, 'TR_EINVAL', '', 'spawn', 'account', '--name', 'a/b'),
    (65, 'TR_EDATA', 'cents', 'spawn', 'account', '--state', '{"cent": 1}'),
    (65, 'TR_EDATA', 'integer', 'spawn', 'account', '--state', '{"cents": "x"}'),
    (65, 'TR_EDATA', 'malformed', 'spawn', 'account', '--state', '{"cents": 1'),
    (64, 'TR_EINVAL', 'bogus', 'spawn', 'account', '--bogus'),
    (64, 'TR_EINVAL', '', 'spawn'),
    (64, 'TR_EINVAL', '', 'spawn', 'account', '--count', '0'),
    (66, 'TR_ENOENT', 'nobody', 'send', 'nobody', 'deposit'),
    (66, 'TR_ENOENT', 'deposi', 'send', 'alice', 'deposi'),
    (65, 'TR_EDATA', 'cents', 'send', 'alice', 'deposit', '{"cent": 1}'),
    (65, 'TR_EDATA', 'integer', 'send', 'alice', 'deposit', '{"cents": "x"}'),
    (65, 'TR_EDATA', 'integer', 'send', 'alice', 'deposit', '{"cents": 1.5}'),
    (65, 'TR_EDATA', 'cents', 'send', 'alice', 'deposit', '{"cents": null}'),
    (65, 'TR_EDATA', '', 'send', 'alice', 'deposit', '{"cents": 9223372036854775808}'),
    (65, 'TR_EDATA', 'malformed', 'send', 'alice', 'deposit', '{"cents"'),
    (65, 'TR_EDATA', '', 'send', 'alice', 'deposit', '[1]'),
    (65, 'TR_EDATA', '', 'send', 'alice', 'deposit', '{"cents": 1, "cents": 2}'),
    (65, 'TR_EDATA', '', 'send', 'alice', 'deposit', '\udcff'),
    (65, 'TR_EDATA', '', 'send', 'alice', 'transfer', '{"to": "nonsense"}'),
    (65, 'TR_EDATA', 'small', 'ask', 'echo', 'kinds', '{"small": 128}'),
    (65, 'TR_EDATA', 'chars', 'ask', 'echo', 'kinds', '{"chars": "123456789"}'),
    (65, 'TR_EDATA', 'three', 'ask', 'echo', 'kinds', '{"three": [1, 2]}'),
    (65, 'TR_EDATA', 'truth', 'ask', 'echo', 'kinds', '{"truth": 1}'),
    (65, 'TR_EDATA', 'z', 'ask', 'echo', 'kinds', '{"point": {"z": 1}}'),
    (65, 'TR_EDATA', 'bytes', 'ask', 'echo', 'kinds', '{"bytes": "?"}'),
    (66, None, '', 'ask', 'n1/999.1', 'get'),
    (66, None, '', 'ask', 'n7/1.1', 'get'),
    (66, None, '', 'ask', 'n1/x', 'get'),
    (75, 'TR_ETIMEDOUT', 'silent', 'ask', 'silent', 'unused', '--timeout', '300ms'),
    (64, 'TR_EINVAL', 'xx', 'ask', 'alice', 'get', '--timeout', 'xx'),
    (64, 'TR_EINVAL', '', 'ask', 'alice'),
    (66, 'TR_ENOENT', 'account', 'behavior', 'show', 'accoun'),
    (66, 'TR_ENOENT', 'n9', 'node', 'show', 'n9'),
    (66, 'TR_ENOENT', 'n9', 'node', 'stop', 'n9'),
    (66, 'TR_ENOENT', 'n9', 'actor', 'list', '--node', 'n9'),
    (66, None, '', 'actor', 'show', 'nobody'),
    (66, None, '', 'actor', 'stop', 'nobody'),
    (66, 'TR_ENOENT', 's9', 'snapshot', 'show', 's9'),
    (66, 'TR_ENOENT', 's9', 'snapshot', 'verify', 's9'),
    (66, 'TR_ENOENT', 's9', 'snapshot', 'sum', 's9', 'account.cents'),
    (64, None, '', 'snapshot', 'sum'),
    (64, 'TR_EINVAL', 'zz', 'logs', '--trace', 'zz'),
    (64, 'TR_EINVAL', 'status', 'statsu'),
    (64, None, 'actor', 'actor', 'lst'),
    (64, 'TR_ENOTSUP', 'not there yet', 'trace', 'list'),
    (64, None, '', 'node'),
]


@test
def each_mistake_has_its_exit_code_and_harms_no_node():
    wrong = []
    with Cluster(2, loads=[BANK, behavior('probe')]) as cluster:
        for name, kind in (('alice', 'account'), ('echo', 'echo'), ('silent', 'silent')):
            cluster.ok('spawn', kind, '--name', name)
        pids = [node.pid for node in cluster.nodes.values()]
        for code, name, words, *command in MISTAKES:
            said = cluster.run(*command)
            error = said.error or {}
            text = error.get('message', '') + ' ' + error.get('hint', '')
            good = said.code == code and name in (None, error.get('code')) and words in text
            if not (good and error.get('message') and said.err.startswith('error: ')):
                wrong.append(f'expected {code} {name} "{words}" from {said}')
        expect(not wrong, f'{len(wrong)} of {len(MISTAKES)}:\n' + '\n'.join(wrong))
        equal(cluster.ok('ask', 'alice', 'get')['body'], {'cents': 0}, 'alice afterwards')
        equal([node.pid for node in cluster.nodes.values() if node.alive()], pids, 'processes')
        equal({one['state'] for one in cluster.members().values()}, {'up'}, 'states')
        equal(len(cluster.ok('actor', 'list')), 3, 'actors')


@test
def failed_actor_says_so_and_ends():
    with Cluster(1, loads=[behavior('probe')]) as cluster:
        cluster.ok('spawn', 'brittle', '--name', 'brittle')
        equal(cluster.fails(70, 'ask', 'brittle', 'die')['code'], 'TR_EFAILED', 'code')
        until(lambda: cluster.run('ask', 'brittle', 'die').code == 66, 10, 'it has ended')
        expect('told to' in cluster['n1'].log(), 'the log does not say why')


# ---- daemons that must not start ----------------------------------------------------------------

def trouped(*words, config=None):
    """Runs a daemon that is expected to end by itself; its exit code and what it said."""
    directory = folder('daemon')
    command = [os.path.join(BUILD, 'trouped'), '--dir', directory, *words]
    if config is not None:
        path = os.path.join(directory, 'node.ini')
        with open(path, 'w') as file:
            file.write(config)
        command += ['--config', path]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
    try:
        return process.communicate(timeout=20)[0], process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0], 'still running'


def shared_object(name, text, *flags):
    source = os.path.join(folder('source'), name + '.c')
    with open(source, 'w') as file:
        file.write(text)
    path = source[:-1] + 'so'
    compile_shared(source, path, *flags)
    return path


def expect_refusal(code, words, *arguments, **options):
    said, found = trouped(*arguments, **options)
    equal(found, code, f'exit of trouped {arguments} {options}: {said}\n')
    for word in words:
        expect(word in said, f'no `{word}` in: {said}')


ABSENT_ABI = '''#include <troupe.h>
TR_RECORD_DECLARE(x);
struct x { char unused; };
TR_RECORD_DEFINE(x);
static const tr_behavior x_behavior = {.name = "x", .version = 1, .handlers = TR_HANDLERS({0})};
TR_API extern const tr_behavior *const tr_exported_behaviors[];
TR_API extern const uint32_t tr_exported_abi;
const tr_behavior *const tr_exported_behaviors[] = {&x_behavior, NULL};
const uint32_t tr_exported_abi = TR_ABI + 1;
'''


@test
def shared_objects_that_cannot_be_loaded_are_named():
    broken = os.path.join(folder('source'), 'broken.so')
    with open(behavior('probe'), 'rb') as whole, open(broken, 'wb') as file:
        file.write(whole.read()[:2000])
    expect_refusal(66, ['/nowhere/x.so'], '--load', '/nowhere/x.so')
    expect_refusal(65, ['broken.so'], '--load', broken)
    expect_refusal(65, ['empty.so'], '--load', shared_object('empty', 'int troupe_nothing;'))
    expect_refusal(65, ['abi.so'], '--load', shared_object('abi', ABSENT_ABI))
    unresolved = shared_object('lost', 'void nowhere_defined(void); void use(void);\n'
                               'void use(void) { nowhere_defined(); }')
    expect_refusal(65, ['lost.so'], '--load', unresolved)


@test
def wrong_settings_are_named_with_their_line():
    expect_refusal(78, ['mailbox-hihg', 'mailbox-high', '3'],
                   config='[node]\nname = n1\nmailbox-hihg = 5\n')
    expect_refusal(78, ['workers', '2'], config='[node]\nworkers = many\n')
    expect_refusal(78, ['udp://127.0.0.1:7'], config='[node]\nlisten = udp://127.0.0.1:7\n')
    expect_refusal(78, ['/nowhere/node.ini'], '--config', '/nowhere/node.ini')
    expect_refusal(78, ['name'], '--name', 'a b')
    expect_refusal(64, ['--mailbox-hihg', '--mailbox-high'], '--mailbox-hihg', '5')
    expect_refusal(77, ['without keys'], '--insecure', '--listen', 'tcp://0.0.0.0:0')


@test
def port_in_use_is_named():
    with Cluster(1) as cluster:
        for flag in ('--listen', '--control'):
            endpoint = cluster['n1'].endpoint
            expect_refusal(78, [str(cluster['n1'].port)], flag, endpoint)
        cluster.ok('status')


# ---- traces, full mailboxes, altered files ------------------------------------------------------

@test
def trace_is_found_in_the_logs_of_each_node_crossed():
    with Cluster(3, loads=[behavior('probe')]) as cluster:
        for number in (1, 2, 3):
            cluster.ok('spawn', 'relay', '--name', f'r{number}', '--on', f'n{number}')
        path = {'path': 'r2 r3 r1'}
        asked = until(lambda: cluster.run('ask', 'r1', 'visit', json.dumps(path)).data, 20, 'a reply')
        equal(asked['body'], {'hops': 4}, 'hops')
        other = cluster.ok('ask', 'r1', 'visit')
        said = cluster.run('logs', '--trace', asked['trace_id'])
        expect(said.code == 0, said)
        for number, times in ((1, 2), (2, 1), (3, 1)):
            equal(said.out.count(f'visited on n{number}'), times, f'lines of n{number}')
        expect(other['trace_id'] not in said.out, 'lines of another trace')
        chosen = 'ab' * 16
        equal(cluster.ok('ask', 'r2', 'visit', '--trace', chosen)['trace_id'], chosen, 'trace id')
        expect('visited on n2' in cluster.run('logs', '--trace', chosen).out, 'the chosen trace')


@test
def full_mailbox_refuses_and_loses_nothing():
    with Cluster(2, loads=[behavior('probe')]) as cluster:
        cluster.ok('spawn', 'sleeper', '--name', 'slow', '--on', 'n2', '--mailbox-low', '1',
                   '--mailbox-high', '2', '--mailbox-hard', '5')
        cluster.ok('send', 'slow', 'nap', '{"ms": 6000}')
        until(lambda: 'nap begins' in cluster['n2'].log(), 10, 'the nap')
        taken, begin = 0, time.monotonic()
        while True:
            said = cluster.run('send', 'slow', 'nap', '{"ms": 0}', '--timeout', '100ms')
            if said.code != 0:
                break
            taken += 1
            expect(taken < 20 and time.monotonic() - begin < 5, 'never full')
        equal((said.code, said.error['code']), (75, 'TR_EFULL'), said)
        expect(1 <= taken <= 6, f'{taken} taken')
        until(lambda: cluster.run('ask', 'slow', 'peek').data, 30, 'it answers again')
        equal(cluster.ok('ask', 'slow', 'peek')['body'], {'naps': taken + 1}, 'naps')


@test
def reader_that_has_gone_is_no_failure():
    """`troupe help | head`: the pipe is closed before all is written."""
    reading, writing = os.pipe()
    os.close(reading)
    said = subprocess.run([os.path.join(BUILD, 'troupe'), 'help'], stdout=writing,
                          stderr=subprocess.PIPE, timeout=30, check=False)
    os.close(writing)
    equal((said.returncode, said.stderr), (0, b''), 'help into a closed pipe')
    with open('/dev/full', 'wb') as full:
        said = subprocess.run([os.path.join(BUILD, 'troupe'), 'help'], stdout=full,
                              stderr=subprocess.PIPE, timeout=30, check=False)
    equal(said.returncode, 70, 'help onto a full disk')


@test
def altered_snapshot_is_always_detected():
    with Cluster(1) as cluster:
        cluster.ok('spawn', 'account', '--name', 'alice')
        name = cluster.ok('snapshot', 'create')['id']
        for file in ('n1.part', 'manifest'):
            path = os.path.join(cluster.snapshots, name, file)
            with open(path, 'rb') as whole:
                data = whole.read()
            changed = [data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1:]
                       for at in range(0, len(data), 11)]
            changed += [data[:at] for at in range(0, len(data), 97)] + [data + b'\0']
            for number, bad in enumerate(changed):
                with open(path, 'wb') as part:
                    part.write(bad)
                said = cluster.run('snapshot', 'verify', name)
                expect(said.code in (1, 65), f'{file}, change {number}: {said}')
            with open(path, 'wb') as part:
                part.write(data)
            cluster.ok('snapshot', 'verify', name)
        os.remove(os.path.join(cluster.snapshots, name, 'n1.part'))
        expect(cluster.run('snapshot', 'verify', name).code in (1, 65, 66), 'a missing part')
        cluster.ok('status')


if __name__ == '__main__':
    run()
