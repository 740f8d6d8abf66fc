"""What is compared with the peers, and what may be: workloads, states of the machine, ratios.

Nothing here starts a process. A Sample is one run of one system between two calibrations. The time
that a cache line takes between two cores moves several times over on virtual machines, and all
figures of two threads with it, so only samples of one state are compared: of that state in which
every system has most samples. A run during which the state changed is `mixed` and never counts.
"""
import statistics
from collections import namedtuple

SYSTEMS = ('troupe', 'erlang', 'caf')
TITLES = {'troupe': 'troupe', 'erlang': 'Erlang', 'caf': 'CAF'}
PEERS = SYSTEMS[1:]
MIXED = 'mixed'
ANY = 'any'  # of what hangs on no state: memory

Metric = namedtuple('Metric', 'unit more_is_better')
METRICS = {
    'ns_per_msg': Metric('ns', False),
    'ns_per_hop': Metric('ns', False),
    'ns_per_actor': Metric('ns', False),
    'ns_per_meeting': Metric('ns', False),
    'bytes_per_actor': Metric('bytes', False),
    'per_s': Metric('1/s', True),
    'p50_us': Metric('us', False),
    'p99_us': Metric('us', False),
    'trips_per_s': Metric('1/s', True),
}

# `names` says what each system calls it; a system that is not there has nothing like it.
Workload = namedtuple('Workload', 'name title names one_core about')
Sample = namedtuple('Sample', 'state figures')


def _workload(name, about, title=None, names=None, one_core=False):
    return Workload(name, title or name, names or {system: name for system in SYSTEMS}, one_core,
                    about)


WORKLOADS = {one.name: one for one in (
    _workload('pingpong', 'two actors and one message between them'),
    _workload('counting', 'one actor sends to one that counts'),
    _workload('threadring', 'one message around a ring of 100 actors'),
    _workload('fjcreate', '1,000,000 actors are made, handle one message and end'),
    _workload('fjthrput', 'one actor sends to 60 in turn'),
    _workload('big', '120 actors ping each other at random'),
    _workload('chameneos', '100 actors meet in pairs at one place'),
    _workload('idlemem', 'memory of 1,000,000 idle actors'),
    _workload('idlemem_hib', 'the same, with hibernated processes in Erlang',
              'idlemem (hibernated)', {'troupe': 'idlemem', 'erlang': 'idlemem_hib'}),
    _workload('rcounting_64', 'messages of 64 bytes to another process'),
    _workload('rcounting_1k', 'messages of 1,024 bytes to another process'),
    _workload('rpingpong', 'round trips to another process'),
    _workload('rpingpong_one_core', 'the same, with all processes on one core',
              'rpingpong (one core)', {system: 'rpingpong' for system in SYSTEMS}, True),
    _workload('rspawn', 'actors made in another process, each asked for'),
)}


# ---- states --------------------------------------------------------------------------------------

def state_of_run(before, after, figures):
    """The state of a run with these figures, from those before and after it."""
    if figures and all(METRICS[metric].unit == 'bytes' for metric in figures if metric in METRICS):
        return ANY
    return before if before == after else MIXED


def complete_sets(samples, state):
    """How many samples of that state every system has. `samples` is {system: [Sample]}."""
    return min((sum(one.state == state for one in runs) for runs in samples.values()), default=0)


def best_state(samples):
    """The state with most complete sets; of equals, the one with more samples. None without any."""
    seen = [one.state for runs in samples.values() for one in runs if one.state != MIXED]
    states = sorted(set(seen), reverse=True)  # of equals in both, near before far
    return max(states, key=lambda state: (complete_sets(samples, state), seen.count(state)),
               default=None)


def wanting(samples, runs):
    """The systems that lack samples of the best state to have `runs` complete sets."""
    state = best_state(samples)
    return [system for system, found in samples.items()
            if sum(one.state == state for one in found) < runs]


def comparable(samples):
    """What may be compared: (state, {system: [Sample]}), equally many of each system.

    When no state has a complete set, all samples, as `mixed`: better than nothing, and it says so.
    """
    state = best_state(samples)
    sets = complete_sets(samples, state)
    if sets == 0:
        return MIXED, samples
    return state, {system: [one for one in runs if one.state == state][:sets]
                   for system, runs in samples.items()}


# ---- figures -------------------------------------------------------------------------------------

def ratio(metric, ours, theirs):
    """How many times better ours is than theirs, or None where either has no figure."""
    if not ours or not theirs:
        return None
    return ours / theirs if METRICS[metric].more_is_better else theirs / ours


def _summary(samples, metric):
    values = [one.figures[metric] for one in samples if metric in one.figures]
    if not values:
        return None
    return {'median': statistics.median(values), 'min': min(values), 'max': max(values),
            'runs': len(values)}


def _median(row, system):
    return row[system]['median'] if row[system] else None


def _row(workload, metric, state, chosen, trusted):
    row = {'workload': workload.name, 'metric': metric, 'unit': METRICS[metric].unit}
    for system in SYSTEMS:
        row[system] = _summary(chosen.get(system, []), metric)
    row['ratio'] = {peer: ratio(metric, _median(row, 'troupe'), _median(row, peer))
                    for peer in PEERS}
    row['state'], row['runs'] = state, min((len(runs) for runs in chosen.values()), default=0)
    row['trusted'] = trusted
    return row


def rows(workload, samples, trusted=True):
    """A row for each metric that a system has reported."""
    samples = {system: runs for system, runs in samples.items() if runs}
    state, chosen = comparable(samples)
    seen = {system: _count(one.state for one in runs) for system, runs in samples.items()}
    found = {metric for runs in chosen.values() for one in runs for metric in one.figures}
    made = [_row(workload, metric, state, chosen, trusted) for metric in METRICS if metric in found]
    for row in made:
        row['seen'] = seen
    return made


def _count(words):
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return counts


# ---- the machine ---------------------------------------------------------------------------------

LOAD_MAX_PER_CORE = 0.25
IDLE_MIN = 0.9


def look_seconds(load, cores):
    """How long to look at what the processors do: longer where something was busy a moment ago,
    which the load average tells, since it may be busy again."""
    return 5.0 if load > LOAD_MAX_PER_CORE * cores else 0.5


def doubt(idle, load, title):
    """Why the figures of this workload cannot be trusted, or None. `idle` is the share of the
    processors that was idle just before its first run, while nothing of ours was running."""
    if idle >= IDLE_MIN:
        return None
    return (f'other programs used {(1 - idle) * 100:.0f} % of the processors before {title} '
            f'(load average {load:.2f})')


# ---- the table -----------------------------------------------------------------------------------

HEADERS = ('WORKLOAD', 'METRIC', 'UNIT', *(TITLES[system] for system in SYSTEMS),
           *(f'{TITLES[peer]}/troupe' for peer in PEERS), 'STATE', 'RUNS')
LEFT = {'WORKLOAD', 'METRIC', 'UNIT', 'STATE'}


def number(value):
    """Four digits or so: 0.93, 31.2, 188, 6,012,345."""
    if value is None:
        return '-'
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f'{value:,.{digits}f}'


def times(value):
    return '-' if value is None else f'{number(value)} x'


def _cells(row):
    return (WORKLOADS[row['workload']].title, row['metric'], row['unit'],
            *(number(_median(row, system)) for system in SYSTEMS),
            *(times(row['ratio'][peer]) for peer in PEERS),
            row['state'] + ('' if row['trusted'] else ' (busy)'), str(row['runs']))


def table(all_rows, doubts=()):
    """The table as text. Medians; a ratio above 1 says how many times better troupe is."""
    lines = [HEADERS] + [_cells(row) for row in all_rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADERS))]
    text = []
    for line in lines:
        cells = (cell.ljust(width) if header in LEFT else cell.rjust(width)
                 for header, cell, width in zip(HEADERS, line, widths))
        text.append('  '.join(cells).rstrip())
    return '\n'.join([f'NOT TO BE TRUSTED: {reason}' for reason in doubts] + text) + '\n'


def document(all_rows, doubts, runs, failures):
    """The same as one JSON object."""
    return {'schema': 'troupe/1', 'kind': 'PeerComparison',
            'data': {'trusted': not doubts, 'doubts': list(doubts), 'runs': runs,
                     'failures': list(failures), 'rows': all_rows}}
