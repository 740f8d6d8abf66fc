"""How the systems are built, and run once in fresh processes; how busy the machine is.

A run has a process group of its own, which is killed when the run takes too long or is interrupted.
Second nodes, which the programs start themselves, end with the program that started them.
"""
import json
import os
import secrets
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('TROUPE_BUILD') or os.path.join(ROOT, 'build'))
TROUPE = os.path.join(BUILD, 'troupe')
PEERS = os.path.join(BUILD, 'peers')
RUN_SECONDS = 180


class Trouble(Exception):
    """Something that ends the comparison, or one system's part in it."""

    def __init__(self, message, fix='', code=70):
        super().__init__(message)
        self.fix, self.code = fix, code


def _tail(text, lines=12):
    return '\n'.join('    | ' + line for line in text.strip().splitlines()[-lines:])


def run_process(command, seconds=RUN_SECONDS):
    """What the command prints. Trouble when it fails or takes too long."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True)
    except OSError as error:
        raise Trouble(f'cannot run {command[0]}: {error.strerror}',
                      'run again without --no-build', 78) from error
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as late:
        _end(process)
        raise Trouble(f'`{" ".join(command)}` did not end within {seconds} s', code=75) from late
    except BaseException:
        _end(process)
        raise
    if process.returncode != 0:
        raise Trouble(f'`{" ".join(command)}` ended with {process.returncode}\n{_tail(err or out)}')
    return out


def _end(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.communicate()


# ---- building ------------------------------------------------------------------------------------

def install(log):
    """Installs what is missing; quick when nothing is."""
    done = subprocess.run([os.path.join(ROOT, 'scripts', 'setup'), '--peers'], stdout=log,
                          stderr=log, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Trouble('what is missing could not be installed',
                      'see above; or compare with what is there: --only troupe,erlang', 78)


def build(systems):
    """Builds troupe and the programs of the peers; the compilers' words go to a log."""
    targets = {'troupe': 'all', 'erlang': os.path.join(PEERS, 'workloads.beam'),
               'caf': os.path.join(PEERS, 'caf')}
    # Paths as the Makefile writes them: relative to it when BUILD is.
    folder = os.path.relpath(BUILD, ROOT) if BUILD.startswith(ROOT + os.sep) else BUILD
    wanted = sorted({targets[one].replace(BUILD, folder) for one in (*systems, 'troupe')})
    os.makedirs(PEERS, exist_ok=True)
    path = os.path.join(PEERS, 'build.log')
    with open(path, 'w', encoding='utf-8') as log:
        done = subprocess.run(['make', '-C', ROOT, f'-j{len(os.sched_getaffinity(0))}',
                               f'BUILD={folder}', *wanted], stdout=log, stderr=log,
                              stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        with open(path, encoding='utf-8', errors='replace') as log:
            raise Trouble(f'the build failed:\n{_tail(log.read())}', f'all of it is in {path}')


# ---- running -------------------------------------------------------------------------------------

def figures_of_lines(text):
    """{metric: value} from lines METRIC VALUE."""
    try:
        pairs = [line.split() for line in text.splitlines() if line.strip()]
        return {metric: float(value) for metric, value in pairs}
    except ValueError as error:
        raise Trouble(f'these are no figures:\n{_tail(text)}') from error


def figures_of_json(text, workload):
    """{metric: value} from what `troupe bench -o json` prints."""
    try:
        data = json.loads(text)['data']
        return {one['metric']: one['median'] for one in data if one['workload'] == workload}
    except (ValueError, KeyError, TypeError) as error:
        raise Trouble(f'`troupe bench` has printed something else:\n{_tail(text)}') from error


def run_troupe(name, prefix=()):
    words = ['bench', name, '--runs', '1', '--warmup', '0', '-o', 'json']
    return figures_of_json(run_process([*prefix, TROUPE, *words]), name)


def run_erlang(name, prefix=()):
    node = []
    if name.startswith('r'):  # of two nodes, which find each other without epmd
        node = ['-start_epmd', 'false', '-erl_epmd_port', str(_free_port()), '-setcookie',
                secrets.token_hex(16)]
    return figures_of_lines(run_process([*prefix, 'erl', '-noshell', '+S', '2:2', '+P', '2000000',
                                         '-pa', PEERS, *node, '-run', 'workloads', 'main', name]))


def run_caf(name, prefix=()):
    return figures_of_lines(run_process([*prefix, os.path.join(PEERS, 'caf'), name]))


RUN = {'troupe': run_troupe, 'erlang': run_erlang, 'caf': run_caf}


def run_once(system, workload):
    """One run of a comparison.Workload: {metric: value}."""
    prefix = ['taskset', '-c', str(min(os.sched_getaffinity(0)))] if workload.one_core else []
    return RUN[system](workload.names[system], prefix)


def _free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


# ---- the machine ---------------------------------------------------------------------------------

def calibrate():
    """The machine's state just now: near or far, or one-core where there is only one."""
    text = run_process([TROUPE, 'bench', '--calibrate', '-o', 'json'])
    try:
        return json.loads(text)['data']['state']
    except (ValueError, KeyError, TypeError) as error:
        raise Trouble(f'`troupe bench --calibrate` has printed something else:\n'
                      f'{_tail(text)}') from error


def load_average():
    return os.getloadavg()[0]


def idle_share(seconds):
    """The share of all processors that was idle over the next seconds."""
    before = _processor_times()
    time.sleep(seconds)
    spent = [after - one for one, after in zip(before, _processor_times())]
    return spent[3] / max(sum(spent), 1)


def _processor_times():
    """user, nice, system, idle, iowait, irq, softirq, steal; guests are part of the first two."""
    with open('/proc/stat', encoding='ascii') as file:
        return [int(word) for word in file.readline().split()[1:9]]
