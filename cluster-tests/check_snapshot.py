#!/usr/bin/python3
"""Checks a snapshot from its files alone, and adds up fields: shares nothing with the node.

Usage: check_snapshot.py FOLDER [PART_DIRECTORY...] [--sum RECORD.FIELD...]

FOLDER is one snapshot's folder (.../snapshots/ID) and holds the manifest; parts that are not in
it are looked for in the PART_DIRECTORYs. What is checked, by node/SNAPSHOT.md: form, lengths,
digests, the signature; that no actor, message or place in an order is there twice, that nothing
is of the future (I6), that the messages of each pair stand in the order they were sent (I7), and
the three counts of every link (I8). Prints one JSON object; exit 1 when anything is wrong, 64
for wrong usage.
"""
import hashlib
import json
import os
import sys

import msgpack

CHUNK = 1 << 20
SEAL_BYTES = 111
TRAILER_BYTES = 54
DIGESTS_HEAD_BYTES = 14

INTEGERS = {1: (-2**7, 2**7), 2: (-2**15, 2**15), 3: (-2**31, 2**31), 4: (-2**63, 2**63),
            5: (0, 2**8), 6: (0, 2**16), 7: (0, 2**32), 8: (0, 2**64)}
F32, F64, BOOL, CHARS, OCTETS, TEXT, BYTES, PID, REQUEST, RECORD = range(9, 19)
LIST, ARRAY = 0x40, 0x80


class Violation(Exception):
    """The snapshot is not what it should be."""


def require(condition, text):
    if not condition:
        raise Violation(text)


# ---- Ed25519 (RFC 8032), verification only ------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point_add(a, b):
    """Adds points in extended coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z."""
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    return ((f - e) * (h - g) % P, (h + g) * (f + e) % P, (h - g) * (h + g) % P,
            (f - e) * (f + e) % P)


def point_multiply(number, point):
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = point_add(total, point)
        point = point_add(point, point)
        number >>= 1
    return total


def point_decode(data):
    y = int.from_bytes(data, 'little')
    sign, y = y >> 255, y & ((1 << 255) - 1)
    require(y < P, 'signature: a point out of range')
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    require(x * x % P == square and not (x == 0 and sign), 'signature: no point of the curve')
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = point_decode((4 * pow(5, P - 2, P) % P).to_bytes(32, 'little'))


def signature_fits(key, message, signature):
    scalar = int.from_bytes(signature[32:], 'little')
    require(scalar < L, 'signature: a scalar out of range')
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    left = point_multiply(scalar, BASE)
    right = point_add(point_decode(signature[:32]),
                      point_multiply(int.from_bytes(digest, 'little') % L, point_decode(key)))
    return ((left[0] * right[2] - right[0] * left[2]) % P == 0 and
            (left[1] * right[2] - right[1] * left[2]) % P == 0)


# ---- bytes --------------------------------------------------------------------------------------

def blake2b(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def unpack_all(data, where):
    """All msgpack values that fill `data`, with the offset at which each begins."""
    unpacker = msgpack.Unpacker(raw=False, unicode_errors='surrogateescape', max_buffer_size=0,
                                strict_map_key=False)
    unpacker.feed(data)
    values, at = [], 0
    try:
        for value in unpacker:
            values.append((at, value))
            at = unpacker.tell()
    except Exception as error:  # msgpack has several kinds, and ValueError
        raise Violation(f'{where}, byte {at}: {type(error).__name__} {error}') from error
    require(at == len(data), f'{where}: the last item, at byte {at}, is cut short')
    return values


def item(value, name, count, where):
    require(isinstance(value, list) and len(value) == count and value[0] == name,
            f'{where}: expected the item "{name}"')
    return value[1:]


def fields(value, kinds, where):
    require(isinstance(value, dict), f'{where}: expected a map')
    for key, kind in kinds.items():
        require(key in value, f'{where}: {key} is missing')
        found = value[key]
        require(isinstance(found, kind) and not isinstance(found, bool), f'{where}: {key} {found!r}')
        require(kind is not int or found >= 0, f'{where}: {key} {found}')
    return value


# ---- the manifest -------------------------------------------------------------------------------

def read_manifest(path):
    with open(path, 'rb') as file:
        data = file.read()
    require(len(data) > SEAL_BYTES, f'{path}: cut short')
    signed, seal = data[:-SEAL_BYTES], data[-SEAL_BYTES:]
    values = unpack_all(seal, path)
    require(len(values) == 1, f'{path}: no signature at the end')
    key, signature = item(values[0][1], 'signature', 3, path)
    require(isinstance(key, bytes) and len(key) == 32 and isinstance(signature, bytes) and
            len(signature) == 64, f'{path}: a malformed signature')
    require(signature_fits(key, signed, signature), f'{path}: the signature does not fit')

    values = [value for _, value in unpack_all(signed, path)]
    require(len(values) == 3, f'{path}: {len(values)} items instead of 3')
    head = fields(item(values[0], 'manifest', 2, path)[0],
                  {'format': str, 'version': int, 'cluster': str, 'id': str, 'epoch': int,
                   'initiator': str, 'started_ms': int, 'committed_ms': int, 'duration_ms': int},
                  path)
    require(head['format'] == 'troupe-manifest' and head['version'] in (1, 2), f'{path}: wrong format')
    members = [fields(member, {'name': str, 'incarnation': int, 'ordinal': int, 'space': int,
                               'bytes': int, 'actors': int, 'messages': int, 'tail_digest': bytes},
                      path)
               for member in item(values[1], 'members', 2, path)[0]]
    links = [fields(link, {'from': str, 'to': str, 'sent': int, 'received': int, 'recorded': int},
                    path)
             for link in item(values[2], 'links', 2, path)[0]]
    return head, members, links


def check_manifest(head, members, links, folder):
    name = os.path.basename(os.path.abspath(folder))
    require(head['id'] == name, f'manifest of {head["id"]} in the folder {name}')
    names = [member['name'] for member in members]
    require(len(set(names)) == len(names), 'a member is there twice')
    require(len({member['space'] for member in members}) == len(names), 'two members, one space')
    require(head['initiator'] in names, 'the initiator is no member')
    pairs = sorted((a, b) for a in names for b in names if a != b)
    require(sorted((link['from'], link['to']) for link in links) == pairs,
            'the links are not all ordered pairs of members')
    for link in links:  # I8
        require(link['sent'] == link['received'] + link['recorded'],
                f'link {link["from"]} to {link["to"]}: sent {link["sent"]}, received '
                f'{link["received"]}, recorded {link["recorded"]}')


# ---- records ------------------------------------------------------------------------------------

def is_pid(value):
    return (isinstance(value, list) and len(value) == 3 and
            all(isinstance(part, int) for part in value))


def check_one(kind, count, nested, value, where):
    integer = isinstance(value, int) and not isinstance(value, bool)
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        fits = integer and low <= value < high
    elif kind in (F32, F64):
        fits = isinstance(value, float)
    elif kind == BOOL:
        fits = isinstance(value, bool)
    elif kind == CHARS:
        fits = isinstance(value, str) and len(value.encode('utf-8', 'surrogateescape')) <= count
    elif kind == OCTETS:
        fits = isinstance(value, bytes) and len(value) == count
    elif kind in (TEXT, BYTES):
        fits = isinstance(value, str if kind == TEXT else bytes)
    elif kind == PID:
        fits = is_pid(value)
    elif kind == REQUEST:
        fits = isinstance(value, list) and len(value) == 2 and is_pid(value[0])
    else:
        check_body(nested, value, where)
        fits = kind == RECORD
    require(fits, f'{where}: {value!r} is not of kind {kind}')


def check_body(descriptor, body, where):
    """A body is an array with one value for each field of its record, by position."""
    name, record_fields = descriptor
    where = f'{where}, record {name}'
    require(isinstance(body, list) and len(body) == len(record_fields), f'{where}: {body!r}')
    for (field, kind, count, nested), value in zip(record_fields, body):
        at = f'{where}, field {field}'
        if kind & (LIST | ARRAY):
            require(isinstance(value, list), f'{at}: no array')
            require(kind & LIST or len(value) == count, f'{at}: {len(value)} items')
            for one in value:
                check_one(kind & 0x3f, count, nested, one, at)
        else:
            check_one(kind, count, nested, value, at)


# ---- parts --------------------------------------------------------------------------------------

class Part:
    """One node's part: reads and checks what can be checked of it alone."""

    def __init__(self, path, head, member):
        self.path, self.head, self.member = path, head, member
        with open(path, 'rb') as file:
            data = file.read()
        content = self.check_bytes(data)
        values = unpack_all(content, path)
        require(len(values) >= 3, f'{path}: too few items')
        self.check_header(values[0][1])
        (records_at, records), (_, links) = values[-2:]
        require(records_at == self.records_at, f'{path}: the records are not where they should be')
        self.records = {number: descriptor
                        for number, descriptor in item(records, 'records', 2, path)[0]}
        self.links = {link['peer']: fields(link, {'peer': str, 'session': int, 'sent': int,
                                                  'received': int, 'recorded': int}, path)
                      for link in item(links, 'links', 2, path)[0]}
        self.actors, self.messages = [], []
        for at, value in values[1:-2]:
            self.read_item(value, f'{path}, byte {at}')
        require((len(self.actors), len(self.messages)) == self.totals and
                self.totals == (member['actors'], member['messages']),
                f'{path}: {len(self.actors)} actors and {len(self.messages)} messages')

    def check_bytes(self, data):
        """Lengths and digests, from the end of the file; returns the content."""
        path, member = self.path, self.member
        require(len(data) == member['bytes'], f'{path}: {len(data)} bytes, not {member["bytes"]}')
        trailer = item(unpack_all(data[-TRAILER_BYTES:], path)[0][1], 'trailer', 6, path)
        actors, messages, self.records_at, content_bytes, magic = trailer
        self.totals = (actors, messages)
        require(magic == 'TRPEND\r\n', f'{path}: no magic at the end')
        require(blake2b(data[content_bytes:]) == member['tail_digest'],
                f'{path}: the digest of the tail differs')
        digests = unpack_all(data[content_bytes:-TRAILER_BYTES], path)[0][1]
        digests = item(digests, 'digests', 2, path)[0]
        content = data[:content_bytes]
        chunks = [content[at:at + CHUNK] for at in range(0, len(content), CHUNK)]
        require(digests == b''.join(blake2b(chunk) for chunk in chunks),
                f'{path}: the digest of a chunk differs')
        require(len(data) == content_bytes + DIGESTS_HEAD_BYTES + len(digests) + TRAILER_BYTES,
                f'{path}: bytes between its items')
        return content

    def check_header(self, value):
        header = fields(item(value, 'header', 2, self.path)[0], {'format': str, 'version': int},
                        self.path)
        require(header['format'] == 'troupe-part' and header['version'] == 1,
                f'{self.path}: wrong format')
        expected = {'cluster': self.head['cluster'], 'snapshot': self.head['id'],
                    'epoch': self.head['epoch'], 'initiator': self.head['initiator'],
                    'node': self.member['name'], 'incarnation': self.member['incarnation'],
                    'ordinal': self.member['ordinal'], 'space': self.member['space']}
        for key, value in expected.items():
            require(header.get(key) == value, f'{self.path}: {key} is {header.get(key)!r}')

    def pid(self, value, where):
        if value is None:
            return None
        require(isinstance(value, list) and len(value) in (2, 3), f'{where}: pid {value!r}')
        return tuple(value) if len(value) == 3 else (self.member['space'], *value)

    def check_value(self, record, value, where):
        if record == 0:
            require(value is None, f'{where}: a value without a record')
            return
        require(record in self.records, f'{where}: no record {record}')
        check_body(self.records[record], value, where)

    def read_item(self, value, where):
        require(isinstance(value, list) and value, f'{where}: no item')
        if value[0] == 'actor':
            self.read_actor(item(value, 'actor', 12, where), where)
        else:
            self.read_message(item(value, 'message', 14, where), where)

    def read_actor(self, value, where):
        pid, behavior, _, colour, _, names, _, record, state, timers, asks = value
        pid = self.pid(pid, where)
        require(colour < self.head['epoch'], f'{where}: an actor of the future')  # I6
        require(pid is not None and pid[0] == self.member['space'], f'{where}: a foreign actor')
        self.check_value(record, state, where)
        for _, _, timer_record, body in timers:
            self.check_value(timer_record, body, f'{where}, a timer')
        for ask in asks:
            require(len(ask) == 8, f'{where}: an ask {ask!r}')
            self.check_value(ask[6], ask[7], f'{where}, an ask')
        self.actors.append({'pid': pid, 'behavior': behavior, 'names': names, 'record': record,
                            'state': state})

    def read_message(self, value, where):
        (to, order, sender, kind, flags, number, _, colour, trace, link, reason, record,
         body) = value
        require(colour < self.head['epoch'], f'{where}: a message of the future')  # I6
        require(trace is None or (len(trace) == 2 and len(trace[0]) == 16), f'{where}: {trace!r}')
        to = self.pid(to, where)
        require(reason is not None or (to is not None and to[0] == self.member['space']),
                f'{where}: a message for another node')
        self.check_value(record, body, where)
        self.messages.append({'to': to, 'order': order, 'from': self.pid(sender, where),
                              'id': number, 'kind': kind, 'flags': flags, 'link': link,
                              'reason': reason, 'record': record, 'body': body})


def check_part(part, links):
    """What the items, the part's links and the manifest's links say of each other."""
    name = part.member['name']
    counted = {}
    for message in part.messages:
        if message['link'] is not None:
            counted[message['link']] = counted.get(message['link'], 0) + 1
    peers = {link['to'] for link in links if link['from'] == name}
    require(set(part.links) == peers, f'{part.path}: links with {sorted(part.links)}')
    require(set(counted) <= peers, f'{part.path}: messages over {sorted(counted)}')
    for link in links:  # I8: three counts of different origin, and the items themselves
        text = f'{part.path}: link {link["from"]} to {link["to"]}'
        if link['from'] == name:
            require(part.links[link['to']]['sent'] == link['sent'], f'{text}: sent')
        if link['to'] == name:
            mine = part.links[link['from']]
            require(mine['received'] == link['received'], f'{text}: received')
            require(mine['recorded'] == link['recorded'], f'{text}: recorded')
            require(counted.get(link['from'], 0) == link['recorded'],
                    f'{text}: {counted.get(link["from"], 0)} messages, recorded {link["recorded"]}')
    orders = sorted((message['to'] or (), message['order']) for message in part.messages)
    for one, other in zip(orders, orders[1:]):
        require(one != other, f'{part.path}: order {one[1]} of {one[0]} is there twice')


REPLY_OR_EXEMPT = 2 | 4


def check_pairs(part):
    """I7: ordinary messages of one sender to one receiver stand in the order they were sent."""
    last = {}
    for message in sorted(part.messages, key=lambda message: message['order']):
        if message['from'] is None or message['id'] == 0 or message['reason'] is not None:
            continue
        if message['kind'] != 0 or message['flags'] & REPLY_OR_EXEMPT:
            continue
        pair = (message['from'], message['to'])
        require(last.get(pair, -1) < message['id'],
                f'{part.path}: message {message["id"]} of {pair} stands behind {last.get(pair)}')
        last[pair] = message['id']


def check_once(parts):
    seen = set()
    for part in parts:
        for actor in part.actors:
            require(actor['pid'] not in seen, f'{part.path}: actor {actor["pid"]} is there twice')
            seen.add(actor['pid'])
    seen = set()
    for part in parts:
        for message in part.messages:  # I7: exactly once
            key = (message['from'], message['id'])
            if message['from'] is None or message['id'] == 0:
                continue
            require(key not in seen, f'{part.path}: message {key} is there twice')
            seen.add(key)


def check_sessions(parts):
    by_name = {part.member['name']: part for part in parts}
    for part in parts:
        for peer, link in part.links.items():
            other = by_name[peer].links[part.member['name']]
            require(link['session'] == other['session'],
                    f'{part.path}: session {link["session"]} with {peer}, there {other["session"]}')


# ---- sums ---------------------------------------------------------------------------------------

def leaves(value):
    if isinstance(value, list):
        return sum(leaves(one) for one in value)
    require(isinstance(value, (int, float)) and not isinstance(value, bool),
            f'sum: {value!r} is no number')
    return value


def find(descriptor, body, names):
    """The value or values of a field, by name, through nested records."""
    for (field, kind, _, nested), value in zip(descriptor[1], body):
        if field != names[0]:
            continue
        if len(names) == 1:
            return leaves(value)
        many = value if kind & (LIST | ARRAY) else [value]
        return sum(find(nested, one, names[1:]) for one in many)
    raise Violation(f'sum: record {descriptor[0]} has no field {names[0]}')


def sum_terms(parts, terms):
    totals = {'actors': 0, 'in_flight': 0}
    for term in terms:
        record, *names = term.split('.')
        known = {descriptor[0] for part in parts for descriptor in part.records.values()}
        require(names and record in known, f'sum: no record {record}; there are {sorted(known)}')
        for part in parts:
            for where, items, body in (('actors', part.actors, 'state'),
                                       ('in_flight', part.messages, 'body')):
                for one in items:
                    descriptor = part.records.get(one['record'])
                    if descriptor is not None and descriptor[0] == record:
                        totals[where] += find(descriptor, one[body], names)
    return {'total': totals['actors'] + totals['in_flight'], **totals}


# ---- all ----------------------------------------------------------------------------------------

def find_part(name, directories):
    for directory in directories:
        path = os.path.join(directory, name + '.part')
        if os.path.exists(path):
            return path
    raise Violation(f'{name}.part is missing')


def check_snapshot(folder, extra=(), terms=()):
    """Checks the snapshot in `folder`; returns what it is, or raises Violation or OSError."""
    head, members, links = read_manifest(os.path.join(folder, 'manifest'))
    check_manifest(head, members, links, folder)
    directories = [folder, *extra, *(os.path.join(one, head['id']) for one in extra)]
    parts = [Part(find_part(member['name'], directories), head, member) for member in members]
    for part in parts:
        check_part(part, links)
        check_pairs(part)
    check_once(parts)
    check_sessions(parts)
    result = {'id': head['id'], 'epoch': head['epoch'], 'initiator': head['initiator'],
              'nodes': len(members), 'actors': sum(len(part.actors) for part in parts),
              'in_flight': sum(len(part.messages) for part in parts),
              'recorded_on_links': sum(link['recorded'] for link in links),
              'dead_letters': sum(message['reason'] is not None
                                  for part in parts for message in part.messages)}
    if terms:
        result['sum'] = sum_terms(parts, terms)
    return result


def main(arguments):
    terms = []
    if '--sum' in arguments:
        at = arguments.index('--sum')
        arguments, terms = arguments[:at], arguments[at + 1:]
        if not terms:
            arguments = []
    if not arguments or any(argument.startswith('-') for argument in arguments):
        print(__doc__, file=sys.stderr)
        return 64
    try:
        print(json.dumps({'ok': True, **check_snapshot(arguments[0], arguments[1:], terms)}))
        return 0
    except (Violation, OSError, KeyError, TypeError, ValueError, IndexError) as error:
        text = str(error) if isinstance(error, (Violation, OSError)) else repr(error)
        print(json.dumps({'ok': False, 'error': text}))
        return 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
