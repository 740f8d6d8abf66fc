"""A peer that speaks the protocol of transport/PROTOCOL.md from Python, and reads it strictly.

It knows that text alone, nothing of the C sources: frames are taken apart with python3-msgpack,
every element checked for its type and range, and packed again, which must give the same bytes
(the shortest forms). Each frame that came is kept in `frames`.
"""
import random
import time

import msgpack
import zmq
from harness import Failure, equal, expect, free_port

HELLO, HELLO_ACK, DATA, ACK, RESEND, PING, PONG, BYE = range(1, 9)
RECORD, MESSAGE, CONTROL, MEMBER, SNAPSHOT, LEASE = range(6)
GREET, JOIN, WAIT, REDIRECT, REFUSE, VIEW, LEFT = range(1, 8)
UNKNOWN, JOINING, UP = 0, 1, 2
HELLO_KEYS = {'cluster': str, 'generation': int, 'endpoint': str, 'control': str, 'key': bytes,
              'space': int, 'ordinal': int, 'message_bytes': int, 'window_messages': int,
              'window_bytes': int, 'leases': int, 'epoch': int, 'token': int, 'answer': int, 'bound': int}
BODIES = {HELLO: 1, HELLO_ACK: 1, ACK: 0, RESEND: 0, PING: 1, PONG: 1, BYE: 1}


def pack(*items):
    return b''.join(msgpack.packb(item, use_bin_type=True) for item in items)


def unpack(data):
    """All items that fill the bytes."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
    unpacker.feed(data)
    items = list(unpacker)
    equal(pack(*items), data, 'shortest forms')
    return items


def is_uint(value, end=1 << 64):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end


def is_pid(value):
    return (isinstance(value, list) and len(value) == 3 and is_uint(value[0]) and
            is_uint(value[1], 1 << 32) and is_uint(value[2], 1 << 32) and any(value))


class Frame:
    """One frame, read by section 2."""

    def __init__(self, data):
        first, *self.items = unpack(data)
        expect(isinstance(first, list) and len(first) == 11, f'header {first!r}')
        (self.version, self.type, self.source, self.source_incarnation,
         self.destination_incarnation, self.session, self.notices, self.notices_seen, self.ack,
         self.credit_bytes, self.credit_sequence) = first
        numbers = [item for at, item in enumerate(first) if at not in (2, 6)]
        expect(all(is_uint(number) for number in numbers), f'header {first!r}')
        equal(self.version, 2, 'version')
        expect(1 <= self.type <= 8, f'type {self.type}')
        expect(isinstance(self.source, str) and 1 <= len(self.source.encode()) <= 63, first)
        self.check_notices()
        self.check_body()

    def check_notices(self):
        expect(isinstance(self.notices, list) and len(self.notices) <= 256, self.notices)
        versions = [0]
        for notice in self.notices:
            expect(isinstance(notice, list) and len(notice) == 3 and is_pid(notice[0]) and
                   notice[1] in (0, 1, 2) and is_uint(notice[2]), f'notice {notice!r}')
            versions.append(notice[2])
        expect(all(a < b for a, b in zip(versions, versions[1:])), f'notice versions {versions}')

    def check_body(self):
        if self.type == DATA:
            expect(len(self.items) > 1 and is_uint(self.items[0]) and self.items[0] > 0,
                   'DATA without a number and an envelope')
            self.first = self.items[0]
            return
        equal(len(self.items), BODIES[self.type], f'items in the body of type {self.type}')
        if self.type == HELLO:
            self.check_hello(self.items[0])
        elif self.type == HELLO_ACK:
            expect(len(self.items[0]) == 2 and all(is_uint(one) for one in self.items[0]), self.items)
        elif self.type in (PING, PONG):
            expect(is_uint(self.items[0]), self.items)
        elif self.type == BYE:
            reason, text = self.items[0]
            expect(1 <= reason <= 7 and isinstance(text, str) and len(text.encode()) <= 319, self.items)

    def check_hello(self, hello):
        equal(set(hello), set(HELLO_KEYS), 'keys of HELLO')
        for key, kind in HELLO_KEYS.items():
            expect(is_uint(hello[key]) if kind is int else isinstance(hello[key], kind),
                   f'HELLO {key}: {hello[key]!r}')
        expect(len(hello['cluster'].encode()) <= 63 and len(hello['key']) == 32, hello)
        expect(len(hello['endpoint']) <= 255 and len(hello['control']) <= 255, hello)
        expect(hello['token'] > 0 and hello['message_bytes'] < 1 << 32, hello)
        expect(hello['window_messages'] <= 1 << 20 and hello['window_bytes'] <= 1 << 30, hello)


# Elements of a MESSAGE or CONTROL that may be left out, in their order: name, and what it is when
# the session or a parcel begins.
CHANGES = [('to', None), ('sender', None), ('message_id', 0), ('trace', None), ('record', 0),
           ('colour', 0), ('span', 0), ('reference', 0), ('flags', 0)]
AFRESH = 1 << len(CHANGES)


class Envelope:
    """One envelope, read by section 5; `before` is the MESSAGE or CONTROL before it, or None."""

    def __init__(self, items, sequence, before):
        expect(isinstance(items, list) and len(items) >= 2 and is_uint(items[0]), f'envelope {items!r}')
        self.kind, changes = items[0] & 7, items[0] >> 3
        self.sequence, self.body = sequence, items[-1]
        expect(self.kind < 6 and isinstance(self.body, bytes), items)
        given = items[1:-1]
        if self.kind in (MESSAGE, CONTROL):
            self.read_changes(given, changes, before)
        else:
            self.record, self.flags = given[0] if given else None, 0
            equal((changes, len(given)), (16, 1) if self.kind == RECORD else (0, 0), 'elements')
            expect(self.kind != RECORD or is_uint(self.record, 1 << 32), items)

    def read_changes(self, given, changes, before):
        expect(changes < 2 * AFRESH and bin(changes % AFRESH).count('1') == len(given), given)
        left = list(given)
        for at, (name, nothing) in enumerate(CHANGES):
            was = nothing if before is None or changes & AFRESH else getattr(before, name)
            if name == 'message_id':
                was += 1
            value = left.pop(0) if changes >> at & 1 else was
            expect(not changes >> at & 1 or value != was, f'{name} {value!r} need not be told')
            setattr(self, name, value)
        expect(is_pid(self.to) and (self.sender is None or is_pid(self.sender)), given)
        expect(is_uint(self.record, 1 << 32) and is_uint(self.flags, 1 << 32), given)
        expect(self.trace is None or (isinstance(self.trace, bytes) and len(self.trace) == 16), given)
        expect(all(is_uint(one) for one in (self.colour, self.span, self.message_id,
                                            self.reference)), given)

    def content(self):
        items = unpack(self.body)
        equal(len(items), 1, 'items in a body')
        return items[0]


class Peer:
    """A node named `name` as far as the link goes; step() handles one frame, if there is one."""

    def __init__(self, node, name='py', incarnation=None, **hello):
        self.node, self.name, self.joins = node, name, False
        self.draw = random.Random(name)
        self.incarnation = incarnation or int(time.time() * 1000)
        self.space, self.token = self.draw.getrandbits(63) | 1, self.draw.getrandbits(63) | 1
        self.port = free_port()
        self.context = zmq.Context()
        self.pull = self.context.socket(zmq.PULL)
        self.pull.bind(f'tcp://127.0.0.1:{self.port}')
        self.push = self.context.socket(zmq.PUSH)
        self.push.connect(node.endpoint)
        self.hello = {'cluster': 'test', 'generation': 0, 'endpoint': f'tcp://127.0.0.1:{self.port}',
                      'control': '', 'key': bytes(32), 'space': self.space, 'ordinal': 0,
                      'message_bytes': 1 << 20, 'window_messages': 65536, 'window_bytes': 4 << 20,
                      'leases': 0, 'epoch': 0, 'token': self.token, 'answer': 0, 'bound': 0, **hello}
        self.frames, self.envelopes, self.records = [], [], {}
        self.other, self.other_incarnation, self.session = None, 0, 1
        self.up, self.heard_ack, self.delivered, self.sent = False, False, 0, 0
        self.before = None  # the MESSAGE or CONTROL delivered last
        self.lives, self.member, self.bye, self.silent = {}, False, None, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.destroy(linger=0)

    # ---- sending ----

    def header(self, kind, **changes):
        values = {'version': 2, 'type': kind, 'source': self.name, 'incarnation': self.incarnation,
                  'destination': self.other_incarnation, 'session': self.session, 'notices': [],
                  'seen': 0, 'ack': 0, 'bytes': 0, 'sequence': 0}
        if self.up:
            values.update(ack=self.delivered, bytes=1 << 24, sequence=self.delivered + 65536)
        values.update(changes)
        return pack(list(values.values()))

    def send(self, kind, *body, **changes):
        self.push.send(self.header(kind, **changes) + pack(*body))

    def say_hello(self):
        self.send(HELLO, {**self.hello, 'answer': self.other['token'] if self.other else 0})

    def envelope(self, kind, body, to=None, sender=None, record=None, colour=0, trace=None,
                 message_id=0, reference=0, flags=0):
        """Items of an envelope that tells all; `body` is packed unless it is bytes."""
        body = body if isinstance(body, bytes) else pack(body)
        if kind == RECORD:
            return [kind | 16 << 3, record, body]
        if kind not in (MESSAGE, CONTROL):
            return [kind, body]
        return [kind | (2 * AFRESH - 1) << 3, to, sender, message_id, trace, record, colour, 0, reference,
                flags, body]

    def data(self, kind, body, **options):
        """Sends an envelope with the next number."""
        self.numbered(self.sent + 1, self.envelope(kind, body, **options))

    def numbered(self, first, *envelopes):
        """Sends envelopes, the first of them with that number."""
        self.sent = max(self.sent, first + len(envelopes) - 1)
        self.send(DATA, first, *envelopes)

    # ---- receiving ----

    def step(self, seconds=0.1):
        """Takes one frame if one comes within the time; returns it or None."""
        if not self.pull.poll(int(seconds * 1000)):
            return None
        frame = Frame(self.pull.recv())
        self.frames.append(frame)
        equal(frame.source, self.node.name, 'source')
        self.handle(frame)
        return frame

    def handle(self, frame):
        if frame.type == HELLO:
            self.heard_hello(frame)
        elif frame.type == BYE:
            self.bye = frame.items[0]
            self.up = False
        equal(frame.destination_incarnation in (0, self.incarnation), True, 'destination')
        if frame.type == HELLO_ACK:
            equal((frame.session, frame.items[0]), (self.session, [self.other['token'], self.token]),
                  'HELLO_ACK')
            self.heard_ack = self.up = True
        if self.silent:
            return
        if frame.type == PING:
            self.send(PONG, frame.items[0])
        elif frame.type == DATA:
            for at, items in enumerate(frame.items[1:]):
                self.take(items, frame.first + at)
            self.send(ACK)

    def heard_hello(self, frame):
        self.other, self.other_incarnation = frame.items[0], frame.source_incarnation
        if frame.session > self.session:
            self.session, self.heard_ack = frame.session, False
        if frame.session == self.session and not self.silent:
            self.say_hello()
            self.send(HELLO_ACK, [self.token, self.other['token']])

    def take(self, items, sequence):
        if sequence <= self.delivered:
            return
        equal(sequence, self.delivered + 1, 'sequence number')
        envelope = Envelope(items, sequence, self.before)
        self.delivered += 1
        if envelope.kind in (MESSAGE, CONTROL):
            self.before = envelope
        self.envelopes.append(envelope)
        if envelope.kind == RECORD:
            self.records[envelope.record] = envelope.content()
        elif envelope.kind in (MESSAGE, CONTROL) and envelope.record:
            expect(envelope.record in self.records, f'record {envelope.record} was not announced')
        elif envelope.kind == MEMBER:
            self.take_member(envelope.content())

    def until(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                kinds = [(frame.type, frame.items[:1]) for frame in self.frames[-6:]]
                raise Failure(f'{self.name}: not within {seconds} s: {what}; last frames {kinds}')
            self.step()

    def open(self):
        """Opens a session and hears both HELLO and HELLO_ACK."""
        deadline = time.monotonic() + 20
        while not (self.heard_ack and self.other):
            expect(time.monotonic() < deadline, f'{self.name}: no session')
            expect(self.bye is None, f'{self.name}: {self.bye}')
            self.say_hello()
            self.until_quiet(0.2)
        return self

    def until_quiet(self, seconds):
        while self.step(seconds):
            pass

    # ---- membership (registry/REGISTRY.md) ----

    def join(self):
        """Becomes a member of a cluster of two."""
        self.data(MEMBER, [GREET, UNKNOWN, []])
        self.data(MEMBER, [JOIN, self.space, 0])
        self.until(lambda: self.member, 20, 'admission')

    def take_member(self, items):
        kinds = {GREET: 3, WAIT: 2, REDIRECT: 3, REFUSE: 3, VIEW: 4, LEFT: 1}
        expect(items[0] in kinds and len(items) == kinds[items[0]], f'member message {items!r}')
        if items[0] == VIEW:
            for life in items[3]:
                self.take_life(life)
            if items[2] and (self.name, self.incarnation) in self.lives and not self.member:
                self.member = True
                self.data(MEMBER, [GREET, JOINING, [self.lives[self.name, self.incarnation]]])
                self.data(MEMBER, [VIEW, JOINING, True, list(self.lives.values())])
                self.data(MEMBER, [VIEW, UP, True, []])

    def space_of(self, name):
        return [life[3] for (one, _), life in self.lives.items() if one == name][0]

    def take_life(self, life):
        kinds = (str, int, int, int, int, int, bool, str, str, bytes)
        expect(len(life) == 10 and all(type(one) is kind for one, kind in zip(life, kinds)), life)
        expect(len(life[9]) == 32 and 0 <= life[5] <= 5, life)
        self.lives[life[0], life[1]] = life
