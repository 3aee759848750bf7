# SPDX-License-Identifier: MIT OR Apache-2.0
"""Two hosts in one virtual machine: ours and theirs, joined by a cable that is recorded.

Everything of RSPLIB runs in a network namespace of its own, so that a packet's addresses say who sent it, and the recording
on the cable holds what was exchanged between RSPLIB and us and nothing else.
"""

import ctypes
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import urllib.request

OURS = [f"192.0.2.{n}" for n in (21, 22, 23)]
THEIRS = [f"192.0.2.{n}" for n in (11, 12, 13)]

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """The scenario did not go as it should."""


class Stage:
    def __init__(self, out, binaries):
        self.out, self.binaries = out, binaries
        self.room = "/tmp/stage"
        os.makedirs(self.room, exist_ok=True)
        self.processes, self.hosts = {}, {}
        self.began = time.monotonic()
        self._lay_cable()
        self._record()

    # Programs

    def start(self, name, command, theirs, stdin=None):
        """Starts a program; its output goes to the file NAME.log."""
        return self._start(name, command, self.namespace if theirs else None, stdin)

    def start_at(self, host, name, command, stdin=None):
        """The same on a host of add_host."""
        return self._start(name, command, self.hosts[host], stdin)

    def _start(self, name, command, namespace, stdin, settings=""):
        log = open(f"{self.room}/{name}.log", "wb")
        with open(f"{self.room}/{name}.toml", "w") as file:
            file.write(settings)
        env = dict(os.environ, RSERPOOL_CONFIG=f"{self.room}/{name}.toml", RSERPOOL_LOG="info", RUST_BACKTRACE="1")
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self.room,
            env=env,
            preexec_fn=(lambda: enter(namespace)) if namespace else None,
        )
        self.processes[name] = process
        if stdin:
            self.type(name, stdin)
        return process

    def theirs(self, name, *command, stdin=None):
        return self.start(name, command, True, stdin)

    def ours(self, name, *command, stdin=None, settings=""):
        """`settings` is its config file."""
        program = os.path.join(self.binaries, command[0])
        return self._start(name, (program, *command[1:]), None, stdin, settings)

    def type(self, name, text):
        stdin = self.processes[name].stdin
        stdin.write(text.encode())
        stdin.flush()

    def close_input(self, name):
        self.processes[name].stdin.close()

    def kill(self, name):
        """Without warning."""
        self.processes[name].kill()
        self.processes.pop(name).wait()

    def send_signal(self, name, number):
        self.processes[name].send_signal(number)

    def stop(self, name, number=signal.SIGINT, timeout=20):
        """As a user would; answers its exit code."""
        process = self.processes[name]
        if process.poll() is None:
            process.send_signal(number)
        return self.end(name, timeout)

    def end(self, name, timeout=20):
        """Waits until it ends by itself."""
        process = self.processes[name]
        try:
            code = process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"{name} does not end") from None
        self.processes.pop(name)
        return code

    # What they say

    def said(self, name):
        with open(f"{self.room}/{name}.log", errors="replace") as log:
            return log.read()

    def sees(self, name, pattern, timeout=20, count=1):
        """Waits until the program has written `count` things that match."""
        found = re.compile(pattern)

        def look():
            matches = list(found.finditer(self.said(name)))
            return matches[count - 1] if len(matches) >= count else None

        match = self.until(look, timeout)
        if match is None:
            raise Failed(f"{name} never said {pattern!r} ({count} times)")
        return match

    @staticmethod
    def until(look, timeout=20):
        """The first true answer, or the last."""
        end = time.monotonic() + timeout * PATIENCE
        while True:
            answer = look()
            if answer or time.monotonic() > end:
                return answer
            time.sleep(0.1)

    # Registrars

    def admin(self, path, port=8650):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def elements(self, pool, port=8650):
        """The pool elements our registrar knows, by identifier."""
        known = self.admin(f"/v1/pools/{pool}", port) or {"pool_elements": []}
        return {element["id"]: element for element in known["pool_elements"]}

    def expect(self, what, look, timeout=20):
        answer = self.until(look, timeout)
        if not answer:
            raise Failed(f"not so: {what}")
        return answer

    def counted(self):
        """(from, protocol, message type) of each message recorded so far, in order; addresses are theirs or ours."""
        from captures import messages

        return messages(f"{self.room}/cable.pcap")

    def exchanged(self, sender, protocol, message_type, timeout=20, count=1):
        """Waits until a message has been seen on the cable."""

        def look():
            seen = [m for m in self.counted() if (m.sender, m.protocol, m.type) == (sender, protocol, message_type)]
            return seen if len(seen) >= count else None

        seen = self.until(look, timeout)
        if not seen:
            raise Failed(f"no {protocol} message {message_type} of {sender} on the wire ({count} times)")
        return seen

    # The end

    def close(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        time.sleep(0.2)
        self.tcpdump.send_signal(signal.SIGINT)
        self.tcpdump.wait()
        for name in os.listdir(self.room):
            shutil.copy(f"{self.room}/{name}", f"{self.out}/{name}")

    # The cable

    def _lay_cable(self):
        run("ip", "netns", "add", "theirs")
        self.namespace = os.open("/run/netns/theirs", os.O_RDONLY)
        # What the machine came with would be in the associations, too.
        commands = [f"link del dummy{number}" for number in range(4)]
        commands += ["link add cable0 type veth peer name cable1 netns theirs"]
        commands += ["link set cable0 multicast on up"]
        commands += [f"addr add {address}/24 dev cable0" for address in OURS]
        commands += ["route replace 224.0.0.0/4 dev cable0"]
        batch(commands)
        commands = ["link set lo up", "link set cable1 multicast on up"]
        commands += [f"addr add {address}/24 dev cable1" for address in THEIRS]
        commands += ["route replace 224.0.0.0/4 dev cable1"]
        batch(commands, "-n", "theirs")
        checksums_by_software("cable0")
        within(self.namespace, lambda: checksums_by_software("cable1"))
        no_ipv6()
        within(self.namespace, no_ipv6)

    def _record(self):
        self.tcpdump = subprocess.Popen(
            ["tcpdump", "-i", "cable0", "--immediate-mode", "-U", "-s", "0", "-w", f"{self.room}/cable.pcap", "ip"],
            stderr=subprocess.DEVNULL,
        )
        self.until(lambda: os.path.exists(f"{self.room}/cable.pcap"), 5)

    def add_host(self, host, address, ours, unreachable):
        """One more host, beside the cable, that cannot reach some addresses."""
        run("ip", "netns", "add", host)
        self.hosts[host] = os.open(f"/run/netns/{host}", os.O_RDONLY)
        batch([f"link add {host} type veth peer name home netns {host}", f"link set {host} up", f"addr add {ours}/30 dev {host}"])
        commands = ["link set lo up", "link set home up", f"addr add {address}/30 dev home", f"route add default via {ours}"]
        batch(commands + [f"route add unreachable {other}" for other in unreachable], "-n", host)

    def cut_off(self, address):
        """From our side only."""
        run("ip", "route", "add", "unreachable", address)

def run(*command):
    subprocess.run(command, check=True)


def batch(commands, *where):
    subprocess.run(["ip", "-force", *where, "-batch", "-"], input="\n".join(commands), text=True, check=False)


def enter(namespace):
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


# Seconds here are those of a machine that does nothing else; a busy one may take so much longer.
PATIENCE = 4


def within(namespace, work):
    """Does something in a namespace, in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            enter(namespace)
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def checksums_by_software(interface):
    """Else the recording has none: Linux leaves CRC32c to the hardware, which a virtual cable is said to be."""
    ETHTOOL_STXCSUM, SIOCETHTOOL = 0x17, 0x8946
    value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, request)


def no_ipv6():
    """RSPLIB and lksctp take link-local addresses into their associations otherwise."""
    for scope in ("all", "default"):
        with open(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6", "w") as setting:
            setting.write("1")
