#!/usr/bin/python3
"""What three nodes cost that have nothing to do: processor time and resident memory, from /proc."""
import os
import time

from harness import Cluster, expect, open_bank, run, test

SECONDS = 10
CPU_MAX = 0.01
RESIDENT_MAX = 100 << 20
TICKS = os.sysconf('SC_CLK_TCK')


def cpu_seconds(pid):
    with open(f'/proc/{pid}/stat') as file:
        words = file.read().rsplit(')', 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICKS


def resident(pid):
    with open(f'/proc/{pid}/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def measure(cluster):
    """The share of a core that each node used over the period, and the bytes of all."""
    pids = [node.pid for node in cluster.nodes.values()]
    begin, before = time.monotonic(), [cpu_seconds(pid) for pid in pids]
    time.sleep(SECONDS)
    took = time.monotonic() - begin
    shares = [(cpu_seconds(pid) - one) / took for pid, one in zip(pids, before)]
    return shares, sum(resident(pid) for pid in pids)


@test
def idle_nodes_cost_next_to_nothing():
    with Cluster(3) as cluster:
        open_bank(cluster)
        shares, total = measure(cluster)
    text = ', '.join(f'{share * 100:.2f} %' for share in shares)
    print(f'  {text} of a core; {total / 2**20:.1f} MiB resident in all')
    expect(max(shares) < CPU_MAX, f'more than {CPU_MAX * 100:.0f} % of a core: {text}')
    expect(total < RESIDENT_MAX, f'{total / 2**20:.1f} MiB resident')


if __name__ == '__main__':
    run()
