# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reads the recordings of the cable: which ASAP and ENRP message went from whom to whom."""

import struct
from collections import namedtuple

Message = namedtuple("Message", "time frame sender protocol type flags length")

ASAP = {
    1: "REGISTRATION", 2: "DEREGISTRATION", 3: "REGISTRATION_RESPONSE", 4: "DEREGISTRATION_RESPONSE", 5: "HANDLE_RESOLUTION",
    6: "HANDLE_RESOLUTION_RESPONSE", 7: "ENDPOINT_KEEP_ALIVE", 8: "ENDPOINT_KEEP_ALIVE_ACK", 9: "ENDPOINT_UNREACHABLE",
    10: "SERVER_ANNOUNCE", 11: "COOKIE", 12: "COOKIE_ECHO", 13: "BUSINESS_CARD", 14: "ERROR", 63: "SESSION",
}  # fmt: skip
ENRP = {
    1: "PRESENCE", 2: "HANDLE_TABLE_REQUEST", 3: "HANDLE_TABLE_RESPONSE", 4: "HANDLE_UPDATE", 5: "LIST_REQUEST",
    6: "LIST_RESPONSE", 7: "INIT_TAKEOVER", 8: "INIT_TAKEOVER_ACK", 9: "TAKEOVER_SERVER", 10: "ERROR",
}  # fmt: skip
PPIDS = {11: "ASAP", 12: "ENRP"}
PORTS = {3863: "ASAP", 9901: "ENRP"}


def messages(path):
    """The messages of a recording made by stage.py, each once however often SCTP sent it."""
    with open(path, "rb") as file:
        data = file.read()
    found, seen = [], set()
    at, frame = 24, 0
    while at + 16 <= len(data):
        seconds, micros, captured, _ = struct.unpack_from("<IIII", data, at)
        packet = data[at + 16 : at + 16 + captured]
        at, frame = at + 16 + captured, frame + 1
        if len(packet) < 34 or packet[12:14] != b"\x08\x00":
            continue
        header = (packet[14] & 15) * 4
        protocol, total = packet[23], struct.unpack_from(">H", packet, 16)[0]
        sender = "theirs" if packet[29] < 20 else "ours"
        payload = packet[14 + header : 14 + total]
        time = seconds + micros / 1e6
        if protocol == 132:
            tag = payload[4:8]
            for tsn, flags, ppid, user in chunks(payload):
                key = (tag, tsn)
                if key in seen:
                    continue
                seen.add(key)
                if flags & 2 and ppid in PPIDS and len(user) >= 4:
                    found.append(Message(time, frame, sender, PPIDS[ppid], user[0], user[1], len(user)))
        elif protocol == 17 and len(payload) >= 12:
            port = struct.unpack_from(">H", payload, 2)[0]
            if port in PORTS:
                found.append(Message(time, frame, sender, PORTS[port], payload[8], payload[9], len(payload) - 8))
    return found


def chunks(packet):
    """(TSN, flags, PPID, user data) of the DATA chunks of an SCTP packet."""
    at = 12
    while at + 4 <= len(packet):
        kind, flags, length = struct.unpack_from(">BBH", packet, at)
        if length < 4:
            return
        if kind == 0 and length >= 16 and at + length <= len(packet):
            tsn, ppid = struct.unpack_from(">I", packet, at + 4)[0], struct.unpack_from(">I", packet, at + 12)[0]
            yield tsn, flags, ppid, packet[at + 16 : at + length]
        at += (length + 3) & ~3


def name(message):
    names = ASAP if message.protocol == "ASAP" else ENRP
    return f"{message.protocol}_{names.get(message.type, f'UNKNOWN_{message.type}')}"
