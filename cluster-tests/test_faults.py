#!/usr/bin/python3
"""Nodes that are killed, strangers' bytes, wrong keys and a full disk: the others go on.

After each fault the nodes that were not killed are the same processes as before, answer asks and
take a consistent snapshot, and the snapshot folder holds whole snapshots only.
"""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time

import check_snapshot
import zmq
from harness import (BANK, Cluster, behavior, equal, expect, folder, open_bank, run,
                     run_tellers, start_troupe, tellers, test, troupe, until, until_quiet)

TIMES = {'suspect_after': '1s', 'down_after': '4s'}
TERMS = ['account.cents', 'deposit.cents']


def snapshot(cluster, nodes, *words):
    """Takes a snapshot, as often as it takes until members have settled, and checks its files."""
    def committed():
        said = cluster.run('snapshot', 'create', *words)
        expect(said.code in (0, 75), said)
        return said.data if said.data and said.data['nodes'] == nodes else None

    taken = until(committed, 60, f'a snapshot of {nodes} nodes')
    return check_snapshot.check_snapshot(os.path.join(cluster.snapshots, taken['id']))


def leftovers(cluster):
    """What lies in the snapshot folder and belongs to no committed snapshot."""
    left = []
    for path, folders, files in os.walk(cluster.snapshots):
        if path == cluster.snapshots:
            left += files
        elif 'manifest' not in files:
            left.append(f'{path}: {files}')
        left += [os.path.join(path, name) for name in files
                 if name != 'manifest' and not name.endswith('.part')]
    return left


def until_swept(cluster):
    until(lambda: not leftovers(cluster), 30, f'no leftovers in {cluster.snapshots}')


def until_all_up(cluster):
    until(lambda: {member['state'] for member in cluster.members().values()} == {'up'}, 60,
          'all are up')


def restart(cluster, name):
    cluster.start(name).wait_up()
    until_all_up(cluster)


# ---- kill -9 ------------------------------------------------------------------------------------

@test
def node_killed_during_traffic_costs_the_others_nothing():
    with Cluster(3, mailbox_high=4, **TIMES) as cluster:
        open_bank(cluster, 3)
        run_tellers(cluster, 3)
        until(lambda: tellers(cluster)['sent'] > 10000, 60, 'traffic')
        cluster['n3'].kill()
        until(lambda: cluster.members('n1')['n3']['state'] == 'down', 60, 'n3 is down')
        for teller in ('t1', 't2'):
            cluster.ok('ask', teller, 'stop', '--timeout', '60s')
        equal(snapshot(cluster, 2)['nodes'], 2, 'nodes in the snapshot')
        until_quiet(cluster)
        restart(cluster, 'n3')
        snapshot(cluster, 3)
        until_swept(cluster)
        cluster.ok('spawn', 'account', '--name', 'new', '--on', 'n3')
        cluster.ok('ask', 'new', 'get', *cluster.through('n1'))


def begin_long_snapshot(cluster, busy_node, contact):
    """Starts a snapshot that cannot end for some seconds, and returns once it has begun."""
    cluster.ok('spawn', 'sleeper', '--name', 'busy', '--on', busy_node)
    cluster.ok('send', 'busy', 'nap', '{"ms": 8000}')
    until(lambda: 'nap begins' in cluster[busy_node].log(), 10, 'the nap')
    taking = start_troupe(cluster.dir, 'snapshot', 'create', *cluster.through(contact))
    until(lambda: any(files for _, _, files in os.walk(cluster.snapshots)), 20, 'part files')
    return taking


@test
def member_killed_during_a_snapshot_aborts_it_by_name():
    with Cluster(3, loads=[BANK, behavior('probe')], **TIMES) as cluster:
        taking = begin_long_snapshot(cluster, 'n3', 'n1')
        cluster['n3'].kill()
        out, err = taking.communicate(timeout=60)
        equal(taking.returncode, 75, f'exit code: {out}{err}')
        error = json.loads(out)['error']
        equal(error['code'], 'TR_EABORTED', 'code')
        expect('member lost' in error['message'] or 'session ended' in error['message'], error)
        expect('n3' in error['message'], error)
        print(f'  {error["message"]}')
        snapshot(cluster, 2)
        restart(cluster, 'n3')
        snapshot(cluster, 3)
        until_swept(cluster)


@test
def initiator_killed_during_a_snapshot_leaves_no_trace():
    with Cluster(3, loads=[BANK, behavior('probe')], **TIMES) as cluster:
        taking = begin_long_snapshot(cluster, 'n3', 'n1')
        cluster['n1'].kill()
        out, err = taking.communicate(timeout=60)
        equal(taking.returncode, 69, f'exit code: {out}{err}')
        until(lambda: cluster.members('n2')['n1']['state'] == 'down', 60, 'n1 is down')
        snapshot(cluster, 2, *cluster.through('n2'))
        restart(cluster, 'n1')
        snapshot(cluster, 3)
        until_swept(cluster)


def kill_at_random(cluster, draw, name, contact):
    """Kills a node at some moment of one of the snapshots that run back to back under load."""
    moment = time.monotonic() + 0.2 + draw.random() / 2
    while time.monotonic() < moment:
        taking = start_troupe(cluster.dir, 'snapshot', 'create', *cluster.through(contact))
        try:
            taking.wait(max(0, moment - time.monotonic()))
        except subprocess.TimeoutExpired:
            break
        taking.communicate()
    cluster[name].kill()
    out, err = taking.communicate(timeout=60)
    if taking.returncode != 0:
        error = json.loads(out)['error']
        expect(taking.returncode in (69, 75), out, err)
        return error['message']
    return 'committed'


@test
def nodes_killed_at_any_moment_leave_whole_snapshots_only():
    draw = random.Random(3)
    with Cluster(3, mailbox_high=4, suspect_after='500ms', down_after='2s') as cluster:
        for number, name in enumerate(('n3', 'n2', 'n1', 'n3')):
            prefix = f'acc{number}'
            cluster.ok('spawn', 'account', '--name', prefix, '--count', '3', '--timeout', '30s')
            cluster.ok('spawn', 'teller', '--name', f'teller{number}')
            cluster.ok('send', f'teller{number}', 'run', json.dumps({'prefix': prefix, 'count': 3}))
            said = kill_at_random(cluster, draw, name, ('n1', 'n2')[number % 2])
            print(f'  {name}: {said}')
            other = 'n1' if name != 'n1' else 'n2'
            until(lambda: cluster.members(other)[name]['state'] == 'down', 60, f'{name} is down')
            restart(cluster, name)
        for number in range(4):
            cluster.run('send', f'teller{number}', 'stop')
        snapshot(cluster, 3)
        until_swept(cluster)
        for identity in os.listdir(cluster.snapshots):
            check_snapshot.check_snapshot(os.path.join(cluster.snapshots, identity))


# ---- strangers' bytes ---------------------------------------------------------------------------

GREETING = b'\xff\0\0\0\0\0\0\0\x01\x7f\x03\0'
NULL_GREETING = GREETING + b'NULL'.ljust(20, b'\0') + bytes(32)
CURVE_GREETING = GREETING + b'CURVE'.ljust(20, b'\0') + bytes(32)


def garbage():
    draw = random.Random(7)
    return [draw.randbytes(100000), b'GET / HTTP/1.1\r\nHost: troupe\r\n\r\n', GREETING[:7],
            NULL_GREETING[:40], NULL_GREETING, NULL_GREETING + draw.randbytes(5000),
            NULL_GREETING + b'\x06\xff' + b'\xff' * 8 + b'x' * 1000,
            CURVE_GREETING + draw.randbytes(5000), CURVE_GREETING + b'\x04\xc8\x05HELLO' + bytes(194),
            b'\0' * 100000, b'\xff' * 100000, b'']


def throw(port, data):
    """Sends the bytes and waits for nothing but that the other side has taken or refused them."""
    with socket.create_connection(('127.0.0.1', port), 10) as stranger:
        stranger.settimeout(10)
        try:
            stranger.sendall(data)
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(65536):
                pass
        except OSError:
            pass  # closed by the node, before or while we wrote


def throw_frames(endpoint, kind):
    """Frames of a ZeroMQ peer without keys: no troupe frame among them."""
    draw = random.Random(11)
    with zmq.Context() as context, context.socket(kind) as stranger:
        stranger.linger = 2000
        stranger.sndtimeo = 2000
        stranger.connect(endpoint)
        frames = [draw.randbytes(draw.randrange(2000)) for _ in range(200)]
        frames += [b'', b'{}', b'[1', b'{"id":1}', b'{"id":-1,"op":"status"}', b'\xdd\xff\xff\xff\xff',
                   b'{"id": 2, "op": "nonsense"}', b'[' * 5000, b'\x9b' + bytes(10)]
        try:
            for frame in frames:
                stranger.send(frame)
            stranger.send_multipart([b'a', b'b', b'c'])
        except zmq.Again:
            pass


def unharmed(cluster, pids):
    equal([node.pid for node in cluster.nodes.values() if node.alive()], pids, 'processes')
    equal({member['state'] for member in cluster.members().values()}, {'up'}, 'states')
    cluster.ok('ask', 'there', 'get', *cluster.through('n1'))
    snapshot(cluster, len(pids))


def garbage_does_no_harm(insecure):
    with Cluster(2, insecure=insecure) as cluster:
        cluster.ok('spawn', 'account', '--name', 'there', '--on', 'n2')
        until(lambda: cluster.run('ask', 'there', 'get', *cluster.through('n1')).code == 0, 20,
              'n1 knows the name')
        pids = [node.pid for node in cluster.nodes.values()]
        for port in (cluster['n1'].port, cluster['n1'].control_port):
            for data in garbage():
                throw(port, data)
            unharmed(cluster, pids)
        throw_frames(cluster['n1'].endpoint, zmq.PUSH)
        throw_frames(cluster['n1'].control, zmq.DEALER)
        unharmed(cluster, pids)


@test
def garbage_does_no_harm_to_encrypted_nodes():
    garbage_does_no_harm(False)


@test
def garbage_does_no_harm_to_plain_nodes():
    garbage_does_no_harm(True)


# ---- wrong keys ---------------------------------------------------------------------------------

@test
def peer_with_an_unknown_key_is_refused_until_its_key_is_there():
    with Cluster(1) as cluster, Cluster(0) as stranger:
        stranger.make_key('n2')
        known = os.path.join(cluster.dir, 'keys')
        shutil.copy(os.path.join(known, 'n1.pub'), os.path.join(stranger.dir, 'keys'))
        peer = stranger.start('n2', seed=f'n1@{cluster["n1"].endpoint}')
        peer.wait_bound()
        until(lambda: cluster['n1'].log().count('refused a connection from 127.0.0.1') >= 2, 60,
              'n1 refuses and says so')
        equal(list(cluster.members()), ['n1'], 'members')
        equal(cluster.ok('snapshot', 'create')['nodes'], 1, 'nodes')
        equal(peer.ready_text.count(b'\n'), 1, 'lines of the peer, which is not up')
        shutil.copy(os.path.join(stranger.dir, 'keys', 'n2.pub'), known)
        cluster['n1'].signal(signal.SIGHUP)
        peer.wait_up(60)
        equal(sorted(cluster.members()), ['n1', 'n2'], 'members, now that n1 has the key')


@test
def client_with_an_unknown_key_is_refused():
    with Cluster(1) as cluster:
        keys = os.path.join(folder('other'), 'keys')
        troupe(os.path.dirname(keys), 'keys', 'make', 'operate.local')
        shutil.copy(os.path.join(cluster.dir, 'keys', 'n1.pub'), keys)
        said = cluster.run('status', '--endpoint', f'n1@{cluster["n1"].control}', '--keys', keys)
        equal(said.code, 77, said)
        equal(said.error['code'], 'TR_EREFUSED', said)
        for word in ('error: node n1: ', "does not admit this client's key", 'failed    CURVE handshake',
                     'ok    TCP 127.0.0.1', 'fix: '):
            expect(word in said.err, f'no `{word}` in: {said.err}')
        expect(said.error.get('hint'), said)
        cluster.ok('status')


@test
def client_with_the_wrong_key_of_the_node_is_refused():
    with Cluster(1) as cluster:
        keys = os.path.join(folder('other'), 'keys')
        shutil.copytree(os.path.join(cluster.dir, 'keys'), keys)
        for name in ('n1.pub', 'n1.key'):
            os.remove(os.path.join(keys, name))
        troupe(os.path.dirname(keys), 'keys', 'make', 'n1')
        said = cluster.run('status', '--endpoint', f'n1@{cluster["n1"].control}', '--keys', keys)
        equal(said.code, 77, said)
        expect('the server key of' in said.err and 'failed    CURVE handshake' in said.err, said)
        cluster.ok('status')


# ---- a full disk --------------------------------------------------------------------------------

class SmallDisk:
    """A tmpfs of one megabyte, mounted while the block runs."""

    def __enter__(self):
        self.path = folder('disk')
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'troupe-test', self.path],
                              capture_output=True, text=True)
        expect(done.returncode == 0, f'mount: {done.stderr}')
        return self

    def fill(self):
        with open(os.path.join(self.path, 'filler'), 'wb', buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass

    def free(self):
        os.remove(os.path.join(self.path, 'filler'))

    def __exit__(self, *_):
        done = subprocess.run(['umount', self.path], capture_output=True, text=True)
        if done.returncode != 0:
            subprocess.run(['umount', '-l', self.path], check=True)


def full_disk():
    with SmallDisk() as disk, Cluster(3, snapshots=disk.path) as cluster:
        cluster.ok('spawn', 'account', '--name', 'acc', '--count', '300')
        pids = [node.pid for node in cluster.nodes.values()]
        equal(cluster.ok('snapshot', 'create')['nodes'], 3, 'nodes')
        disk.fill()
        for _ in range(3):
            error = cluster.fails(75, 'snapshot', 'create')
            expect(error['code'] in ('TR_ENOSPC', 'TR_EABORTED'), error)
            expect('disk full' in error['message'], error)
        print(f'  {error["code"]}: {error["message"]}')
        equal([node.pid for node in cluster.nodes.values() if node.alive()], pids, 'processes')
        cluster.ok('ask', 'acc-7', 'get')
        disk.free()
        until_swept(cluster)
        snapshot(cluster, 3)
        whole = [path for path, _, files in os.walk(disk.path) if 'manifest' in files]
        equal(len(whole), 2, 'snapshots')


@test
def full_disk_aborts_the_snapshot_and_nothing_else():
    if os.geteuid() != 0:
        print('  not root: no small disk can be mounted, skipped')
        return
    full_disk()


if __name__ == '__main__':
    run()
