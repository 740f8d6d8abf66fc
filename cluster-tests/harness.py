"""What the tests with real node processes share: clusters in a scratch folder, and a runner.

A Cluster starts trouped itself, one process a node, each bound to die with this test
(PR_SET_PDEATHSIG), and talks to it through the control program `troupe`. Nothing here sleeps to
let something happen: until() polls for the event under a deadline. Only processes started here
are ever signalled, by their id. Each test file registers functions with @test and ends with
run(), which prints a line for each and `N passed, M failed`.
"""
import ctypes
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get('TROUPE_BUILD') or os.path.join(ROOT, 'build'))
BANK = os.path.join(BUILD, 'examples', 'bank.so')
PORT_FIRST, PORT_END = 20000, 32000
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)
scratch = None  # made by run(), gone when it returns
tests = []
ports_given = set()


class Failure(Exception):
    """A test has found something that should not be so."""


def expect(condition, *words):
    if not condition:
        raise Failure(' '.join(str(word) for word in words))


def equal(found, wanted, what):
    expect(found == wanted, f'{what}: expected {wanted!r}, found {found!r}')


def until(condition, seconds, what, every=0.05):
    """Polls until `condition` returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        expect(time.monotonic() < deadline, f'not within {seconds} s: {what}')
        time.sleep(every)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    """A port below those that the kernel hands out, free now and not given before."""
    for _ in range(1000):
        port = random.randrange(PORT_FIRST, PORT_END)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port in ports_given or probe.connect_ex(('127.0.0.1', port)) == 0:
                continue
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                continue
        ports_given.add(port)
        return port
    raise Failure('no free port')


def folder(prefix):
    return tempfile.mkdtemp(prefix=prefix + '-', dir=scratch)


def behavior(name):
    """Compiles cluster-tests/behaviors/NAME.c and returns the shared object's path."""
    path = os.path.join(scratch, name + '.so')
    if not os.path.exists(path):
        compile_shared(os.path.join(ROOT, 'cluster-tests', 'behaviors', name + '.c'), path)
    return path


def compile_shared(source, path, *flags):
    command = [os.environ.get('CC', 'cc'), '-std=gnu11', '-O1', '-g', '-Wall', '-Wextra', '-Werror',
               '-shared', '-fPIC', '-I' + os.path.join(ROOT, 'node', 'include'), *flags, source,
               '-o', path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    expect(done.returncode == 0, done.stderr)


# ---- the control program ------------------------------------------------------------------------

class Said:
    """What one run of the control program came to."""

    def __init__(self, words, code, out, err):
        self.words, self.code, self.out, self.err = words, code, out, err
        try:
            self.json = json.loads(out)
        except ValueError:
            self.json = {}
        self.data = self.json.get('data')
        self.error = self.json.get('error')

    def __str__(self):
        return f'troupe {" ".join(self.words)}: exit {self.code}\n{self.out[-1500:]}{self.err[-1500:]}'


def troupe(directory, *words, seconds=90, stdin='', environment=None):
    """Runs the control program with -o json and returns what it said."""
    process = start_troupe(directory, *words, environment=environment)
    try:
        out, err = process.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        process.kill()
        process.communicate()
        raise Failure(f'troupe {" ".join(words)}: no answer in {seconds} s') from late
    return Said(words, process.returncode, out, err)


def start_troupe(directory, *words, environment=None):
    return subprocess.Popen([os.path.join(BUILD, 'troupe'), '--dir', directory, '-o', 'json', *words],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, preexec_fn=die_with_parent,
                            env={**os.environ, **(environment or {})})


# ---- nodes --------------------------------------------------------------------------------------

class Node:
    """One trouped process after the other, under one name."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.dir = os.path.join(cluster.dir, 'nodes', name)
        os.makedirs(self.dir, exist_ok=True)
        self.process, self.ready = None, None

    @property
    def pid(self):
        return self.process.pid

    @property
    def endpoint(self):
        return f'tcp://127.0.0.1:{self.port}'

    @property
    def control(self):
        return f'tcp://127.0.0.1:{self.control_port}'

    def command(self, seeds, extra):
        cluster = self.cluster
        settings = {'name': self.name, 'cluster': 'test', 'dir': self.dir,
                    'keys': os.path.join(cluster.dir, 'keys'), 'snapshots': cluster.snapshots,
                    'listen': self.endpoint, 'control': self.control, 'log-format': 'json',
                    'log': os.path.join(self.dir, 'log'), **cluster.settings, **extra}
        words = [os.path.join(BUILD, 'trouped')]
        words += [f'--{key}={value}' for key, value in settings.items()]
        words += [f'--load={path}' for path in cluster.loads] + [f'--seed={seed}' for seed in seeds]
        return words + (['--insecure'] if cluster.insecure else [])

    def start(self, seeds=(), **extra):
        """Starts the process; wait_bound and wait_up tell how far it has come."""
        extra = {key.replace('_', '-'): value for key, value in extra.items()}
        self.port, self.control_port = free_port(), free_port()
        reader, writer = os.pipe()
        with open(os.path.join(self.dir, 'output'), 'ab') as output:
            self.process = subprocess.Popen(
                self.command(seeds, {**extra, 'ready-fd': writer}), stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, pass_fds=[writer], preexec_fn=die_with_parent)
        os.close(writer)
        self.close_ready()
        self.ready, self.ready_text = reader, b''
        return self

    def close_ready(self):
        if self.ready is not None:
            os.close(self.ready)
        self.ready = None

    def wait_line(self, count, seconds, what):
        deadline = time.monotonic() + seconds
        while self.ready_text.count(b'\n') < count:
            left = deadline - time.monotonic()
            expect(left > 0, f'{self.name} not {what} within {seconds} s: {self.output()}')
            if not select.select([self.ready], [], [], left)[0]:
                continue
            text = os.read(self.ready, 4096)
            expect(text, f'{self.name} ended, not {what}: {self.output()}')
            self.ready_text += text

    def wait_bound(self, seconds=30):
        self.wait_line(1, seconds, 'bound')

    def wait_up(self, seconds=40):
        self.wait_line(2, seconds, 'up')

    def output(self):
        with open(os.path.join(self.dir, 'output'), errors='replace') as output:
            return output.read()[-2000:]

    def log(self):
        try:
            with open(os.path.join(self.dir, 'log'), errors='replace') as log:
                return log.read()
        except FileNotFoundError:
            return ''

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        expect(self.alive(), f'{self.name} is not running: {self.output()}')
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def wait_end(self, seconds=30):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise Failure(f'{self.name} has not ended in {seconds} s') from late

    def destroy(self):
        if self.alive():
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        self.close_ready()


class Cluster:
    """Nodes n1, n2, ... of one folder: `with Cluster(3) as cluster:`. All are up when it begins."""

    def __init__(self, count=3, loads=(BANK,), insecure=False, snapshots=None, **settings):
        self.dir = folder('cluster')
        self.snapshots = snapshots or os.path.join(self.dir, 'snapshots')
        self.loads, self.insecure = list(loads), insecure
        self.settings = {key.replace('_', '-'): value for key, value in settings.items()}
        self.nodes, self.count = {}, count

    def __enter__(self):
        try:
            names = [f'n{i + 1}' for i in range(self.count)]
            self.make_folder(names)
            for name in names:
                self.start(name)
            for name in names:
                self.nodes[name].wait_up()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, kind, *_):
        alive = [node for node in self.nodes.values() if node.alive()]
        try:
            if kind is None:
                for node in alive:
                    node.process.send_signal(signal.SIGTERM)
                for node in alive:
                    equal(node.wait_end(), 0, f'exit code of {node.name} after TERM')
            else:
                self.tell_logs()
        finally:
            self.destroy()

    def make_folder(self, names):
        os.makedirs(os.path.join(self.dir, 'nodes'), exist_ok=True)
        with open(os.path.join(self.dir, 'cluster.json'), 'w') as file:
            json.dump({'name': 'test', 'security': 'none' if self.insecure else 'curve'}, file)
        for name in () if self.insecure else (*names, 'operate.local'):
            self.make_key(name)

    def make_key(self, name):
        self.ok('keys', 'make', name)

    def seeds(self, name):
        for node in self.nodes.values():
            if node.name != name and node.alive():
                node.wait_bound()
                return [f'{node.name}@{node.endpoint}']
        return []

    def start(self, name, **extra):
        """Starts a node, new or ended, with a live one as its seed."""
        if name not in self.nodes:
            self.nodes[name] = Node(self, name)
        return self.nodes[name].start(self.seeds(name), **extra)

    def __getitem__(self, name):
        return self.nodes[name]

    def run(self, *words, **options):
        return troupe(self.dir, *words, **options)

    def ok(self, *words, **options):
        """The data of a command that must succeed."""
        said = self.run(*words, **options)
        expect(said.code == 0, said)
        return said.data

    def fails(self, code, *words, **options):
        """The error of a command that must fail with this exit code."""
        said = self.run(*words, **options)
        expect(said.code == code, f'expected exit {code}:', said)
        expect(said.error and said.error.get('code', '').startswith('TR_E'), 'no error:', said)
        return said.error

    def members(self, contact=None):
        """The states by name, as one node (or any) sees them."""
        words = ['node', 'list']
        if contact:
            words += self.through(contact)
        return {node['name']: node for node in self.ok(*words)['nodes']}

    def through(self, name):
        """Flags that make the control program talk to this node."""
        return ['--endpoint', f'{name}@{self[name].control}', *(['--insecure'] if self.insecure else []),
                '--keys', os.path.join(self.dir, 'keys')]

    def tell_logs(self):
        for node in self.nodes.values():
            state = 'runs' if node.alive() else f'ended: {node.process and node.process.returncode}'
            print(f'---- {node.name} ({state})\n{node.output()}')
            print(''.join(line + '\n' for line in node.log().splitlines()[-15:]))

    def destroy(self):
        for node in self.nodes.values():
            node.destroy()
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- the bank -----------------------------------------------------------------------------------

def open_bank(cluster, accounts=9, cents=10000):
    """Accounts acc-0 ... over all nodes, a teller tN on each node; returns the money there is."""
    cluster.ok('spawn', 'account', '--name', 'acc', '--count', str(accounts), '--state',
               json.dumps({'cents': cents}))
    for name in cluster.nodes:
        cluster.ok('spawn', 'teller', '--name', 't' + name[1:], '--on', name)
    for name in cluster.nodes:
        until_known(cluster, name, accounts)
    return accounts * cents


def until_known(cluster, name, accounts):
    """Until the node's copy of the table of names has all accounts."""
    teller = 't' + name[1:]

    def found():
        report = cluster.ok('ask', teller, 'run', json.dumps({'prefix': 'acc', 'count': accounts}),
                            '--timeout', '30s')
        cluster.ok('ask', teller, 'stop', '--timeout', '30s')
        return report['body']['accounts'] == accounts

    until(found, 20, f'{name} knows all accounts')


def run_tellers(cluster, accounts=9):
    for name in cluster.nodes:
        cluster.ok('send', 't' + name[1:], 'run', json.dumps({'prefix': 'acc', 'count': accounts}))


def tellers(cluster):
    """The sum of what all tellers report, by field."""
    reports = [cluster.ok('ask', 't' + name[1:], 'get', '--timeout', '30s')['body']
               for name in cluster.nodes]
    return {key: sum(report[key] for report in reports) for key in ('sent', 'refused', 'running')}


def until_quiet(cluster, seconds=60):
    """Until no mailbox holds anything and two readings of all counters are the same."""
    last = [None]

    def quiet():
        data = cluster.ok('actor', 'list')
        now = [(actor['pid'], actor['processed']) for actor in data]
        still = now == last[0] and all(a['mailbox'] == 0 and a['state'] == 'idle' for a in data)
        last[0] = now
        return still

    until(quiet, seconds, 'all mail is handled', every=0.3)


# ---- running ------------------------------------------------------------------------------------

def test(function):
    tests.append(function)
    return function


def run_one(function):
    name, begin = function.__name__.replace('_', ' '), time.monotonic()
    try:
        function()
    except Failure as failure:
        print(f'FAILED: {name}: {failure}', flush=True)
        return False
    except Exception:
        print(f'FAILED: {name}:\n{traceback.format_exc()}', flush=True)
        return False
    print(f'ok      {name} ({time.monotonic() - begin:.1f} s)', flush=True)
    return True


def on_term(*_):
    raise SystemExit('ended by a signal')


def run():
    """Runs all tests, or those whose names contain a word of the command line; ends the process."""
    global scratch
    signal.signal(signal.SIGTERM, on_term)
    words = [word.replace(' ', '_') for word in sys.argv[1:]]
    chosen = [one for one in tests if not words or any(word in one.__name__ for word in words)]
    scratch = tempfile.mkdtemp(prefix='troupe-test-')
    try:
        passed = sum(run_one(one) for one in chosen)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f'{passed} passed, {len(chosen) - passed} failed')
    sys.exit(passed < len(chosen) or not chosen)
