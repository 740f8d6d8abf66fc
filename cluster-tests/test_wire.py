#!/usr/bin/python3
"""The bytes between nodes: a Python peer meets a node started without encryption.

wire_peer.py speaks and checks what transport/PROTOCOL.md says. Here it opens a session, joins the
cluster, exchanges messages with actors, and breaks every rule once: the session must end with a
reason, the node go on.
"""
from harness import Cluster, equal, expect, run, test, until
from wire_peer import (ACK, BYE, CONTROL, DATA, HELLO, HELLO_ACK, LEASE, MEMBER, MESSAGE, PING, PONG,
                       RECORD, RESEND, Frame, Peer, is_uint, pack)

DEPOSIT = ['deposit', [['cents', 4, 1, None]]]
TRANSFER = ['transfer', [['to', 16, 1, None], ['cents', 4, 1, None]]]
GET = ['get', []]
ASK, REPLY, EXEMPT, SPAWN = 1, 2, 4, 5 << 8
MOULD, GRANT, DRY = 1, 2, 3


def types(peer):
    return [frame.type for frame in peer.frames]


def spawn_account(cluster, name, cents=0):
    """Spawns an account on n1 and returns its slot and generation: a pid but for the space.
    Before the peer joins: a name needs the word of every member."""
    text = cluster.ok('spawn', 'account', '--name', name, '--on', 'n1', '--state',
                      f'{{"cents": {cents}}}')['pid']
    slot, generation = text.split('/')[1].split('.')
    return [int(slot), int(generation)]


def cents_of(cluster, name):
    return cluster.ok('ask', name, 'get')['body']['cents']


@test
def example_frames_of_the_text_are_read_as_it_says():
    ack = Frame(bytes.fromhex('9b 02 04 a2 6e 31 07 09 03 90 00 05 cd 10 00 45'))
    equal((ack.type, ack.source, ack.source_incarnation, ack.destination_incarnation, ack.session,
           ack.ack, ack.credit_bytes, ack.credit_sequence), (ACK, 'n1', 7, 9, 3, 5, 4096, 69), 'ACK')


@test
def handshake_has_all_fields_of_the_text():
    with Cluster(1, insecure=True) as cluster, Peer(cluster['n1']) as peer:
        peer.open()
        node, hello = cluster.members()['n1'], peer.other
        equal((hello['cluster'], hello['endpoint'], hello['control']),
              ('test', cluster['n1'].endpoint, cluster['n1'].control), 'HELLO')
        equal((hello['key'], hello['bound'], hello['generation']), (bytes(32), 0, 0), 'HELLO')
        equal((hello['message_bytes'], hello['window_messages'], hello['window_bytes']),
              (1 << 20, 65536, 4 << 20), 'limits')
        equal(peer.other_incarnation, node['incarnation'], 'incarnation')
        for frame in peer.frames:
            if frame.type == HELLO:
                equal((frame.notices, frame.notices_seen, frame.ack, frame.credit_bytes,
                       frame.credit_sequence), ([], 0, 0, 0, 0), 'elements 6 to 10 of HELLO')
        peer.until(lambda: PING in types(peer), 10, 'PING')
        numbers = [frame.items[0] for frame in peer.frames if frame.type == PING]
        equal(numbers, sorted(set(numbers)), 'PINGs grow')
        granted = [frame for frame in peer.frames if frame.type in (DATA, ACK, PING)][-1]
        expect(granted.credit_sequence >= 65536 and granted.credit_bytes >= 4 << 20, 'no credit')
        peer.send(PING, 77)
        peer.until(lambda: any(frame.type == PONG and frame.items == [77] for frame in peer.frames),
                   10, 'PONG')
        peer.until(lambda: any(one.kind == MEMBER for one in peer.envelopes), 10, 'a greeting')
        equal(peer.envelopes[0].content()[:2], [1, 2], 'GREET of a node that is up')


@test
def messages_have_all_fields_of_the_text():
    with Cluster(1, insecure=True) as cluster, Peer(cluster['n1']) as peer:
        epoch = cluster.ok('snapshot', 'create')['epoch']
        place = spawn_account(cluster, 'acc', 1000)
        peer.open()
        equal(peer.other['epoch'], epoch, 'E in HELLO')
        peer.join()
        to = [peer.space_of('n1'), *place]
        until(lambda: (peer.until_quiet(0.05), cluster.members()['py']['state'])[1] == 'up', 20, 'py is up')
        mine, trace = [peer.space, 5, 1], bytes(range(16))
        peer.data(RECORD, TRANSFER, record=1)
        peer.data(MESSAGE, [mine, 250], to=to, sender=mine, record=1, colour=epoch, trace=trace,
                  message_id=1)
        peer.until(lambda: any(one.kind == MESSAGE for one in peer.envelopes), 10, 'the deposit')
        deposit = [one for one in peer.envelopes if one.kind == MESSAGE][0]
        equal((deposit.to, deposit.sender, deposit.flags), (mine, to, 0), 'to, from, flags')
        equal((deposit.trace, deposit.colour, deposit.reference), (trace, epoch, 0), 'trace, colour')
        expect(is_uint(deposit.span) and deposit.message_id > 0, 'span, message id')
        equal(peer.records[deposit.record], DEPOSIT, 'descriptor announced before')
        equal(deposit.content(), [250], 'body')
        peer.data(RECORD, GET, record=2)
        peer.data(MESSAGE, [], to=to, sender=mine, record=2, colour=epoch, message_id=7, flags=ASK)
        peer.until(lambda: any(one.flags & REPLY for one in peer.envelopes), 10, 'the reply')
        reply = [one for one in peer.envelopes if one.flags & REPLY][0]
        equal((reply.kind, reply.to, reply.sender, reply.reference, reply.flags),
              (CONTROL, mine, to, 7, REPLY), 'the reply')
        equal(peer.records[reply.record], ['balance', [['cents', 4, 1, None]]], 'its record')
        equal(reply.content(), [750], 'its body')


@test
def numbers_decide_what_is_delivered():
    with Cluster(1, insecure=True) as cluster, Peer(cluster['n1']) as peer:
        place = spawn_account(cluster, 'acc')
        peer.open().join()
        to = [peer.space_of('n1'), *place]
        peer.data(RECORD, DEPOSIT, record=3)
        sender = [peer.space, 9, 1]
        one = peer.sent + 1
        first = peer.envelope(MESSAGE, [1], to=to, sender=sender, record=3, message_id=1)
        second = [MESSAGE, pack([10])]  # all but the body is as before
        third = [MESSAGE, pack([100])]
        peer.numbered(one, first)
        peer.numbered(one, first)  # twice: delivered once, acknowledged again
        peer.numbered(one + 2, third)  # too early: dropped, a resend asked for
        peer.until(lambda: RESEND in types(peer), 10, 'RESEND')
        resend = [frame for frame in peer.frames if frame.type == RESEND][0]
        equal(resend.ack, one, 'ack of the RESEND')
        equal(cents_of(cluster, 'acc'), 1, 'cents before the gap is closed')
        extra = third + ['an element of a later version', [1, {'a': None}]]
        peer.numbered(one, first, second, extra)  # begins before what is wanted
        peer.until(lambda: peer.frames[-1].ack == one + 2, 10, 'the ack')
        until(lambda: cents_of(cluster, 'acc') == 111, 10, 'all deposits once')


# ---- leases and spawns ---------------------------------------------------------------------------

def leased(peer):
    """All slots lent so far, as [slot, generation]."""
    slots = []
    for one in peer.envelopes:
        if one.kind == LEASE:
            kind, runs = one.content()
            equal((kind, len(runs) % 3), (GRANT, 0), 'what a node says of leases')
            for first, generation, count in zip(*[iter(runs)] * 3):
                slots += [[slot, generation] for slot in range(first, first + count)]
    return slots


def member_with_lease(cluster, name='py'):
    """A member that has been lent slots; (peer, a pid of each)."""
    peer = Peer(cluster['n1'], name, leases=1)
    peer.open().join()
    peer.until(lambda: leased(peer), 20, 'a lease')
    return peer, [[peer.space_of('n1'), *slot] for slot in leased(peer)]


@test
def a_spawn_needs_no_round_trip_and_what_overtakes_it_waits():
    with Cluster(1, insecure=True) as cluster:
        peer, pids = member_with_lease(cluster)
        with peer:
            equal(len({tuple(pid) for pid in pids}), 256, 'slots of a first lease')
            mine = [peer.space, 1, 1]
            peer.data(RECORD, DEPOSIT, record=1)
            peer.data(RECORD, GET, record=2)
            for number in range(1, 4):  # nobody is born there yet
                peer.data(MESSAGE, [10 ** number], to=pids[7], sender=mine, record=1, message_id=number)
            peer.data(LEASE, [MOULD, 1, 'account', 0, 0, 0])
            peer.data(MESSAGE, b'', to=pids[7], sender=mine, record=0, message_id=4, reference=1, flags=SPAWN)
            peer.data(MESSAGE, [], to=pids[7], sender=mine, record=2, message_id=5, flags=ASK)
            peer.until(lambda: any(one.reference == 5 for one in peer.envelopes), 10, 'the balance')
            replies = [one for one in peer.envelopes if one.to == mine]
            equal([one.content() for one in replies], [[1110]], 'the balance, and no word of the birth')
            equal(replies[0].sender, pids[7], 'from the leased pid')


@test
def spawners_hear_of_what_they_asked_and_of_failures():
    with Cluster(1, insecure=True) as cluster:
        peer, pids = member_with_lease(cluster)
        with peer:
            mine = [peer.space, 1, 1]
            for number, name in ((1, 'account'), (2, 'nothing')):
                peer.data(LEASE, [MOULD, number, name, 0, 0, 0])
                peer.data(LEASE, [MOULD, number, name, 0, 0, 0])  # each worker tells once
            peer.data(LEASE, [MOULD, 3, 'account', 5, 4, 3])
            for at, (mould, flags) in enumerate(((1, ASK), (2, ASK), (2, 0), (3, 0))):
                peer.data(MESSAGE, b'', to=pids[at], sender=mine, record=0, message_id=at + 1,
                          reference=mould, flags=SPAWN | flags)
            peer.until(lambda: sum(one.to == mine for one in peer.envelopes) == 4, 10, 'four answers')
            heard = {tuple(one.content()[1]): one for one in peer.envelopes if one.to == mine}
            for at, (flags, code, words) in enumerate((
                    (REPLY, 'TR_OK', ''), (REPLY | EXEMPT, 'TR_ENOENT', 'nothing: n1 offers no'),
                    (EXEMPT, 'TR_ENOENT', 'nothing: n1 offers no'), (EXEMPT, 'TR_EINVAL', 'account: mailbox'))):
                one = heard[tuple(pids[at])]
                equal(peer.records[one.record][0], 'tr_spawned', 'the answer')
                equal((one.flags, one.to, one.reference), (flags, mine, at + 1 if flags & REPLY else 0), code)
                expect(words in one.content()[2] and (one.content()[0] == 0) == (code == 'TR_OK'),
                       f'{code}: {one.content()}')


@test
def a_lease_grows_with_its_use_and_ends_with_its_session():
    with Cluster(1, insecure=True) as cluster:
        peer, pids = member_with_lease(cluster)
        with peer:
            peer.data(LEASE, [MOULD, 1, 'account', 0, 0, 0])
            for at in range(129):
                peer.data(MESSAGE, b'', to=pids[at], sender=[peer.space, 1, 1], record=0, message_id=at + 1,
                          reference=1, flags=SPAWN)
            # By how much depends on how long this took; node/lease_test.c has virtual time.
            peer.until(lambda: len(leased(peer)) > 256, 10, 'more, as half is spent')
            lent = len(leased(peer))
            peer.data(LEASE, [DRY])
            peer.until(lambda: len(leased(peer)) > lent, 10, 'more, as none is left')
            peer.data(RECORD, DEPOSIT, record=1)
            peer.data(MESSAGE, [1], to=pids[200], sender=[peer.space, 1, 1], record=1, message_id=500)
            peer.send(BYE, [1, 'over'])
            until(lambda: "unborn: its spawner's session ended" in cluster['n1'].log(), 20, 'what waited is dead')


def broken_leases(peer, pids):
    """By what is wrong: the envelopes to send, a word of the BYE."""
    mine = [peer.space, 1, 1]
    mould = [LEASE, [MOULD, 1, 'account', 0, 0, 0], {}]

    def spawn(to, number=1):
        return [MESSAGE, b'', {'to': to, 'sender': mine, 'record': 0, 'message_id': 1, 'reference': number,
                               'flags': SPAWN}]

    return {
        'a slot that is not leased': ([mould, spawn([pids[0][0], 1, 1])], 'not leased'),
        'another generation': ([mould, spawn([*pids[0][:2], 9])], 'not leased'),
        'one slot twice': ([mould, spawn(pids[0]), spawn(pids[0])], 'not leased'),
        'a slot beyond all': ([mould, spawn([pids[0][0], (1 << 32) - 1, 1])], 'not leased'),
        'a number never told': ([spawn(pids[0])], 'never announced'),
        'one number for two': ([mould, [LEASE, [MOULD, 1, 'till', 0, 0, 0], {}]], 'two behaviors'),
        'a name without end': ([[LEASE, [MOULD, 1, 'x' * 256, 0, 0, 0], {}]], 'read'),
        'number 0': ([[LEASE, [MOULD, 0, 'account', 0, 0, 0], {}]], 'read'),
        'a lease of nothing': ([[LEASE, [GRANT, [5, 1, 0]], {}]], 'cannot be'),
        'a lease past the last slot': ([[LEASE, [GRANT, [(1 << 32) - 2, 1, 3]], {}]], 'cannot be'),
        'half a run': ([[LEASE, [GRANT, [5, 1]], {}]], 'cannot be'),
        'a huge lease': ([[LEASE, [GRANT, [5, 1, 131072]], {}], [LEASE, [GRANT, [5, 1, 1]], {}]], 'more slots'),
        'no kind of word': ([[LEASE, [9], {}]], 'no word'),
        'no word at all': ([[LEASE, 'lease', {}]], 'no word'),
        'bytes behind a word': ([[LEASE, pack([DRY], 1), {}]], 'no word'),
    }


@test
def nonsense_about_leases_ends_the_session():
    with Cluster(1, insecure=True) as cluster:
        pid = cluster['n1'].pid
        names = list(broken_leases(Peer(cluster['n1'], 'list'), [[1, 2, 3]] * 9))
        for number, name in enumerate(names):
            peer, pids = member_with_lease(cluster, f'bad{number}')
            with peer:
                peer.silent = True
                envelopes, word = broken_leases(peer, pids)[name]
                for kind, body, options in envelopes:
                    peer.data(kind, body, **options)
                peer.until(lambda: peer.bye is not None, 10, f'BYE for {name}')
                byes = [frame.items[0] for frame in peer.frames if frame.type == BYE]
                expect(word in byes[0][1], f'{name}: BYE {byes}')
            until(lambda: cluster.members()[f'bad{number}']['state'] == 'down', 30, 'it is down')
        equal(cluster.members()['n1']['pid'], pid, 'process of the node')


# ---- sizes ---------------------------------------------------------------------------------------

def send_record(peer, to, number, descriptor, body):
    peer.data(RECORD, descriptor, record=number)
    peer.data(MESSAGE, body, to=to, sender=[peer.space, 9, 1], record=number, message_id=number)
    return peer.sent


@test
def bodies_up_to_the_agreed_size_are_taken_whatever_is_in_them():
    with Cluster(1, insecure=True, message_bytes_max=4 << 20) as cluster, Peer(cluster['n1']) as peer:
        place = spawn_account(cluster, 'acc')
        peer.open().join()
        to = [peer.space_of('n1'), *place]
        send_record(peer, to, 1, ['large', [['bytes', 15, 1, None]]], [bytes(3 << 20)])
        last = send_record(peer, to, 2, ['many', [['items', 0x43, 0, None]]], [[7] * 200000])
        peer.until(lambda: peer.bye or peer.frames[-1].ack == last, 20, 'the ack')
        equal(peer.bye, None, 'BYE')


@test
def a_few_bytes_that_would_become_many_end_the_session():
    with Cluster(1, insecure=True) as cluster, Peer(cluster['n1']) as peer:
        place = spawn_account(cluster, 'acc')
        peer.open().join()
        to = [peer.space_of('n1'), *place]
        peer.silent = True
        send_record(peer, to, 1, ['huge', [['text', 12, 1 << 25, None]]], [''])
        peer.until(lambda: peer.bye is not None, 10, 'BYE')
        equal(peer.bye[0], 6, f'reason of {peer.bye}')


# ---- broken rules -------------------------------------------------------------------------------

def broken_frames(peer):
    """By what is wrong: the bytes to send in a session, the BYE's reason, a word of its text."""
    far = [1 << 60, 3, 1]
    good = peer.envelope(MESSAGE, [1], to=[1, 3, 1], sender=[peer.space, 1, 1],
                         record=9, message_id=1)

    def data(*items):
        return peer.header(DATA) + pack(peer.sent + 1, *items)

    return {
        'an envelope cut short': (data(good)[:-1], 6, 'envelope'),
        'no envelope but text': (data('nonsense'), 6, 'envelope'),
        'no first number': (peer.header(DATA) + pack(good), 6, 'DATA'),
        'a number and no envelope': (data(), 6, 'DATA'),
        'an unknown kind': (data([good[0] | 7, *good[1:]]), 6, 'envelope'),
        'unknown changes': (data([1 << 20 | good[0], *good[1:]]), 6, 'envelope'),
        'fewer elements than changes': (data([*good[:4], good[-1]]), 6, 'envelope'),
        'nobody as receiver': (data([good[0], [0, 0, 0], *good[2:]]), 6, 'envelope'),
        'the receiver as before, and none was': (data([MESSAGE, good[-1]]), 6, 'envelope'),
        'a slot over 32 bits': (data([good[0], [1, 1 << 32, 1], *good[2:]]), 6, 'envelope'),
        'a huge array': (data() + b'\xdd\xff\xff\xff\xff', 6, 'envelope'),
        'a body over the limit': (data([*good[:-1], bytes(5000)]), 6, 'size'),
        'a record never announced': (data(good), None, ''),
        'an ack of the future': (peer.header(ACK, ack=1 << 40), 6, 'never sent'),
        'credit beyond any window': (peer.header(ACK, sequence=1 << 40), 6, 'header'),
        'a PING without number': (peer.header(PING), 6, 'PING'),
        'a PING with text': (peer.header(PING) + pack('1'), 6, 'PING'),
        'notices out of order': (peer.header(ACK, notices=[[far, 1, 2], [far, 0, 2]]), 6, 'frame'),
        'a negative number': (peer.header(ACK, ack=-1), 6, 'frame'),
        'a header too short': (pack([2, ACK, peer.name, peer.incarnation]), 6, 'frame'),
        'an unknown type': (peer.header(99), 6, 'frame'),
        'a BYE without reason': (peer.header(BYE) + pack([]), 6, 'BYE'),
        'snapshot nonsense': (data(peer.envelope(4, [99, 'x'])), None, ''),
    }


@test
def each_broken_rule_ends_the_session_with_a_reason():
    with Cluster(1, insecure=True, message_bytes_max=4096) as cluster:
        pid = cluster['n1'].pid
        with Peer(cluster['n1'], 'list') as peer:
            names = list(broken_frames(peer.open()))
        for number, name in enumerate(names):
            with Peer(cluster['n1'], f'bad{number}') as peer:
                peer.open()
                peer.sent, peer.silent = 0, True
                data, reason, word = broken_frames(peer)[name]
                peer.push.send(data)
                peer.until(lambda: peer.bye is not None, 10, f'BYE for {name}')
                expect(reason in (None, peer.bye[0]) and word in peer.bye[1] and peer.bye[1],
                       f'{name}: BYE {peer.bye}')
        equal(cluster.members()['n1']['pid'], pid, 'process of the node')
        print(f'  {len(names)} kinds of broken frames, each answered by BYE')


@test
def strangers_are_refused_by_name():
    cases = {'cluster': ({'cluster': 'other'}, 'of cluster other'),
             'generation': ({'generation': 3}, 'generation 3')}
    with Cluster(1, insecure=True) as cluster:
        for name, (hello, words) in cases.items():
            with Peer(cluster['n1'], f'odd-{name}', **hello) as peer:
                peer.say_hello()
                peer.until(lambda: peer.bye, 20, f'BYE for another {name}')
                expect(peer.bye[0] == 7 and words in peer.bye[1], peer.bye)
        with Peer(cluster['n1'], 'again', incarnation=50) as peer:
            peer.open()
        with Peer(cluster['n1'], 'again', incarnation=49) as peer:
            peer.say_hello()
            until(lambda: 'incarnation 49' in cluster['n1'].log() or peer.step() or peer.say_hello(),
                  20, 'the lower incarnation is refused')
        cluster.ok('snapshot', 'create')


if __name__ == '__main__':
    run()
