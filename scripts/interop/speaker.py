#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Says by kernel SCTP what neither RSPLIB's programs nor ours can be brought to say: many PEs over one association, addresses of others,
updates that make a registrar's copy wrong. Commands are lines of standard input; each is answered by a line.

    speaker.py asap ADDRESS OWN-ADDRESS    register POOL FIRST COUNT [rr|luLOAD] [ADDRESS,...] | deregister POOL FIRST COUNT
    speaker.py enrp ADDRESS OWN-ADDRESS    add POOL FIRST COUNT HOME | delete POOL FIRST COUNT HOME
"""

import socket
import struct
import sys
import threading

IPPROTO_SCTP, SCTP_SNDINFO = 132, 2
OWN_ID = 0x0E0E0E0E
LIFE = 600_000


class Speaker:
    def __init__(self, channel, address, own):
        self.channel, self.own = channel, own
        self.ppid = 11 if channel == "asap" else 12
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP)
        self.socket.bind((own, 0))
        self.socket.connect((address, 3863 if channel == "asap" else 9901))
        self.answers = []
        self.answered = threading.Condition()
        self.peer = 0
        if channel == "enrp":
            self.send(self.presence())
        threading.Thread(target=self.listen, daemon=True).start()

    def send(self, data):
        info = struct.pack("=HHIIi", 0, 0, socket.htonl(self.ppid), 0, 0)
        self.socket.sendmsg([data], [(IPPROTO_SCTP, SCTP_SNDINFO, info)])

    def listen(self):
        while data := self.socket.recv(65536):
            kind = data[0]
            if self.channel == "enrp":
                self.peer = struct.unpack_from(">I", data, 4)[0]
                if kind == 1 and data[1] & 1:
                    self.send(self.presence())
            elif kind == 7:
                # Its Pool Handle and PE Identifier go back as they came.
                self.send(message(8, 0, data[8:]))
            elif kind in (3, 4):
                with self.answered:
                    self.answers.append(data[1] & 1)
                    self.answered.notify()
        print("lost", flush=True)

    def ask(self, messages):
        """Sends them and answers how many were rejected."""
        del self.answers[:]
        for data in messages:
            self.send(data)
        with self.answered:
            self.answered.wait_for(lambda: len(self.answers) >= len(messages), timeout=80)
        return f"{len(self.answers)} answers, {sum(self.answers)} rejected"

    def register(self, pool, first, count, policy="rr", addresses=None):
        addresses = addresses.split(",") if addresses else [self.own]
        elements = [self.element(int(first, 16) + n, 0, addresses, False, policy) for n in range(int(count))]
        return self.ask([message(1, 0, handle(pool) + element) for element in elements])

    def deregister(self, pool, first, count):
        numbers = range(int(first, 16), int(first, 16) + int(count))
        return self.ask([message(2, 0, handle(pool) + tlv(0xE, struct.pack(">I", n))) for n in numbers])

    def add(self, pool, first, count, home):
        return self.update(0, pool, first, count, home)

    def delete(self, pool, first, count, home):
        return self.update(1, pool, first, count, home)

    def update(self, action, pool, first, count, home):
        for number in range(int(count)):
            element = self.element(int(first, 16) + number, int(home, 16), [self.own], True)
            head = struct.pack(">IIHH", OWN_ID, self.peer, action, 0)
            self.send(message(4, 0, head + handle(pool) + element))
        return f"{count} sent"

    def presence(self):
        information = tlv(0xB, struct.pack(">I", OWN_ID) + self.transport([self.own], 0))
        return message(1, 0, struct.pack(">II", OWN_ID, self.peer) + tlv(0xF, b"\xff\xff") + information)

    def element(self, identifier, home, addresses, with_asap, policy="rr"):
        value = struct.pack(">IIi", identifier, home, LIFE) + self.transport(addresses, 1)
        value += tlv(8, struct.pack(">I", 1) if policy == "rr" else struct.pack(">II", 0x40000001, int(policy[2:])))
        return tlv(0xA, value + (self.transport(addresses, 1) if with_asap else b""))

    def transport(self, addresses, use):
        port = self.socket.getsockname()[1]
        return tlv(4, struct.pack(">HH", port, use) + b"".join(tlv(1, socket.inet_aton(ip)) for ip in addresses))


def handle(pool):
    return tlv(9, pool.encode())


def tlv(kind, value):
    length = 4 + len(value)
    return struct.pack(">HH", kind, length) + value + bytes(-length % 4)


def message(kind, flags, body):
    return struct.pack(">BBH", kind, flags, 4 + len(body)) + body


def main():
    speaker = Speaker(*sys.argv[1:4])
    print("ready", flush=True)
    for line in sys.stdin:
        command, *arguments = line.split()
        print(f"{line.strip()}: {getattr(speaker, command)(*arguments)}", flush=True)


if __name__ == "__main__":
    main()
