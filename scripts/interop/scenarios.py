#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""What is played between RSPLIB and us. Runs inside the virtual machine: scenarios.py SCENARIO OUTPUT-FOLDER BINARIES"""

import json
import os
import re
import signal
import sys
import time
import traceback

from stage import OURS, THEIRS, Failed, Stage

REGISTRAR = "0x33333333"
THEIR_REGISTRARS = ["0x11111111", "0x22222222"]


class Play:
    """A stage and the words both sides are started with."""

    def __init__(self, stage):
        self.stage = stage
        self.rows = {}

    def score(self, who, row, evidence):
        """`who` (ours or theirs) has earned a row of the score draft."""
        self.rows.setdefault(who, {})[row] = evidence

    def our_registrar(self, number=0, *options, peers=()):
        words = ["--profile", "rsplib"]
        if "--id" not in options:
            words += ["--id", f"0x3333333{3 + number}"]
        words += ["--asap", f"{OURS[number]}:3863", "--enrp", f"{OURS[number]}:9901"]
        words += ["--admin", f"127.0.0.1:{8650 + number}"]
        for peer in peers:
            words += ["--peer", f"{peer}:9901"]
        self.stage.ours(f"registrar-{number}", "rsp-registrar", *words, *options)
        self.stage.sees(f"registrar-{number}", "registrar ready")

    def their_registrar(self, number=0, *options, peers=(), wait=True):
        words = [f"-identifier={THEIR_REGISTRARS[number]}", "-loglevel=5"]
        words += [f"-asap={THEIRS[number]}:3863", f"-enrp={THEIRS[number]}:9901"]
        if not options:
            words += ["-asapannounce=off", "-enrpannounce=off"]
        words += [f"-peer={peer}:9901" for peer in peers]
        self.stage.theirs(f"rspregistrar-{number}", "rspregistrar", *words, *options)
        if wait:
            self.stage.sees(f"rspregistrar-{number}", "The registrar is ready")

    def their_pe(self, name, service, identifier, *options, registrar=OURS[0], local=THEIRS[0]):
        words = [f"-{service}", f"-identifier={identifier}", f"-local={local}", "-loglevel=4", "-asapannounce=off"]
        self.stage.theirs(name, "rspserver", *words, f"-registrar={registrar}:3863", *options)

    def our_pe(self, name, service, identifier, *options, pool, registrar=THEIRS[0], settings=""):
        words = ["pe", "run", "--pool", pool, "--id", identifier, "--profile", "rsplib", "-o", "json"]
        words += ["--listen", f"{OURS[0]}:0", "--registrar", f"{registrar}:3863", *options, service]
        self.stage.ours(name, "rsp", *words, settings=settings)

    def their_terminal(self, name, pool, registrar=OURS[0], lines=""):
        words = [f"-poolhandle={pool}", f"-registrar={registrar}:3863", "-asapannounce=off", "-loglevel=4"]
        self.stage.theirs(name, "rspterminal", *words, stdin=lines)

    def speaker(self, name, channel, registrar, own, theirs):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "speaker.py")
        self.stage.start(name, ["python3", "-B", script, channel, registrar, own], theirs, stdin="")
        self.stage.sees(name, "ready")

    def say(self, name, command):
        said = self.answer(name, command)
        if said.endswith("rejected") and not said.endswith(" 0 rejected"):
            raise Failed(said)

    def answer(self, name, command):
        """What the speaker heard, this time."""
        before = len(re.findall(f"{command}: .*", self.stage.said(name)))
        self.stage.type(name, f"{command}\n")
        return self.stage.sees(name, f"{command}: .*", count=before + 1).group()

    def strangers(self, name, whose):
        """PEs none of whose addresses is in the association, and one some of whose are not."""
        if not self.answer(name, "register StrangePool 70000001 1 rr 198.51.100.7,198.51.100.8").endswith(" 1 rejected"):
            raise Failed("a PE with nothing but addresses of others is registered")
        self.score(whose, "2.3-3", "REGISTRATION_RESPONSE R=1")
        self.say(name, f"register MixedPool 70000002 1 rr 198.51.100.7,{THEIRS[1]}")

    def clash(self, pool, ours, theirs, count):
        """PEs with a policy that cannot be registered here, as there is one of ours that RSPLIB's registrar has been made to forget."""
        self.say("our-many", f"register {pool} {ours} 1")
        self.stage.sees("rspregistrar-0", f"Successfully registered {pool}/.{ours}")
        # Our next PRESENCE may bring the PE back before the others are there: all of them are rejected then, and it is tried again.
        for _ in range(5):
            self.say("liar", f"delete {pool} {ours} 1 33333333")
            said = self.answer("their-many", f"register {pool} {theirs} {count} lu0")
            if said.endswith(" 0 rejected"):
                break
        else:
            raise Failed(said)
        if set(self.stage.elements(pool)) != {f"0x{ours}"}:
            raise Failed(f"the policies in {pool} do not clash")

    def asked_again(self, who, before):
        """Waits until `who` has asked for the other's own PEs once more."""
        s = self.stage
        requests = lambda: [m for m in s.exchanged(who, "ENRP", 2) if m.flags & 1]
        s.expect("the table is asked for with W", lambda: len(requests()) > before)

    def home(self, pool, pe):
        return (self.stage.elements(pool).get(pe) or {}).get("home")

    def known_registrars(self):
        known = self.stage.admin("/v1/registrars") or {"peers": []}
        return [peer for peer in known["peers"] if peer["id"] in THEIR_REGISTRARS and peer["connected"]]


def registrar_ours(play):
    """Our registrar, with PEs and PUs of RSPLIB."""
    s = play.stage
    play.our_registrar()
    play.their_pe("echo", "echo", "0xaaaa0001", "-rereginterval=2000")
    s.expect("the PE is registered", lambda: "0xaaaa0001" in s.elements("EchoPool"))
    play.score("ours", "2.3-1", "REGISTRATION_RESPONSE R=0")
    play.score("theirs", "2.1-1", "registered")
    play.their_terminal("terminal", "EchoPool", lines="hello world\n")
    s.sees("terminal", "aaaa0001.*hello world")
    play.score("theirs", "2.2-1", "rspterminal is served")
    s.exchanged("theirs", "ASAP", 1, count=2)
    play.score("theirs", "2.1-3", "REGISTRATION each 2 s")

    # One pool, one policy.
    play.their_pe("least-used-in-rr", "echo", "0xaaaa0002", "-policy=LeastUsed", "-rereginterval=2000")
    play.their_pe("least-used", "echo", "0xaaaa0003", "-policy=LeastUsed", "-poolhandle=LeastUsedPool")
    s.expect("it is registered", lambda: "0xaaaa0003" in s.elements("LeastUsedPool"))
    play.their_pe("rr-in-least-used", "echo", "0xaaaa0004", "-poolhandle=LeastUsedPool")
    s.sees("registrar-0", "0xaaaa0004 in pool LeastUsedPool.* rejected: Inconsistent Pooling Policy")
    play.score("ours", "2.3-2", "REGISTRATION_RESPONSE R=1, cause 5")
    s.sees("registrar-0", "0xaaaa0002 in pool EchoPool.* rejected: Inconsistent Pooling Policy")
    s.sees("least-used-in-rr", "Registration failed: incompatible pool policy")
    play.score("theirs", "2.1-2", "says so, and may try again")
    if set(s.elements("EchoPool")) != {"0xaaaa0001"} or set(s.elements("LeastUsedPool")) != {"0xaaaa0003"}:
        raise Failed("who was rejected is in the pool")

    # Policies, RSPLIB's private ones too, and selection by them for RSPLIB's PUs.
    policies = [
        ("WeightedRoundRobin:3", "2.1-9", "2.2-5"),
        ("Random", "2.1-10", "2.2-6"),
        ("WeightedRandom:3", "2.1-11", "2.2-7"),
        ("PriorityLeastUsedDegradation:0.1", None, None),
        ("RandomizedPriorityLeastUsed", None, None),
        ("WeightedRandomDPF:3:0.1", None, None),
        ("LeastUsedDPF:0.1", None, None),
        ("LeastUsedDegradationDPF:0.1:0.1", None, None),
    ]
    play.score("theirs", "2.1-8", "registered in LeastUsedPool")
    for number, (policy, _, _) in enumerate(policies):
        name = policy.split(":")[0]
        play.their_pe(name, "echo", f"0xbbbb00{number:02x}", f"-policy={policy}", f"-poolhandle={name}Pool")
    for number, (policy, row, _) in enumerate(policies):
        name = policy.split(":")[0]
        s.expect(f"{name} is registered", lambda: f"0xbbbb00{number:02x}" in s.elements(f"{name}Pool"))
        play.their_terminal(f"terminal-{name}", f"{name}Pool", lines=f"by {name}\n")
        if row:
            play.score("theirs", row, "registered")
    for policy, _, row in policies:
        name = policy.split(":")[0]
        s.sees(f"terminal-{name}", f"bbbb00..> by {name}")
        if row:
            play.score("theirs", row, "rspterminal is served")
        s.kill(f"terminal-{name}")
        s.kill(name)
    play.their_terminal("terminal-lu", "LeastUsedPool", lines="by load\n")
    s.sees("terminal-lu", "aaaa0003.*by load")
    play.score("theirs", "2.2-4", "rspterminal is served")

    # Registrar's duties.
    s.exchanged("ours", "ASAP", 7)
    play.score("ours", "2.3-6", "ENDPOINT_KEEP_ALIVE")
    s.exchanged("theirs", "ASAP", 8)
    play.score("theirs", "2.1-5", "ENDPOINT_KEEP_ALIVE_ACK")
    s.send_signal("least-used", signal.SIGSTOP)
    s.expect("a stopped PE is removed", lambda: not s.elements("LeastUsedPool"), 30)
    play.score("ours", "2.3-7", "SIGSTOP: removed when the keep-alive was not answered")
    s.kill("least-used")
    s.stop("echo")
    s.exchanged("ours", "ASAP", 4)
    s.expect("it has left", lambda: not s.elements("EchoPool"))
    play.score("theirs", "2.1-4", "DEREGISTRATION, DEREGISTRATION_RESPONSE")


def applications(play):
    """RSPLIB's applications at our registrar: ping-pong, calcapp, daytime, discard; hsdump."""
    s = play.stage
    play.our_registrar()
    play.their_pe("pingpong", "pingpong", "0xddddd001")
    play.their_pe("calcapp", "calcapp", "0xcccc0001")
    play.their_pe("daytime", "daytime", "0xdddd0002")
    play.their_pe("discard", "discard", "0xdddd0003")
    for pool in ("PingPongPool", "CalcAppPool", "DaytimePool", "DiscardPool"):
        s.expect(f"{pool} is there", lambda: s.elements(pool))
    words = [f"-registrar={OURS[0]}:3863", "-asapannounce=off"]
    s.theirs("pingpongclient", "pingpongclient", *words, "-interval=200")
    s.sees("pingpongclient", "Ack #5 from PE")
    s.theirs("calcappclient", "calcappclient", *words, "-jobinterval=2", "-jobsize=1000000", "-runtime=8")
    play.their_terminal("daytime-terminal", "DaytimePool", lines="\n")
    s.sees("daytime-terminal", "dddd0002> .*20[0-9][0-9]")
    # It fails over whenever the server has said the time and closed, without end.
    s.kill("daytime-terminal")
    s.sees("calcappclient", "Job #1 completed")
    s.theirs("hsdump", "hsdump", f"{OURS[0]}:9901")
    s.sees("hsdump", "4 Pools, 4 PoolElements")
    play.score("ours", "3.1-4", "hsdump: LIST_RESPONSE")
    play.score("ours", "3.1-7", "hsdump shows the handlespace")
    s.exchanged("ours", "ENRP", 3)
    s.exchanged("ours", "ENRP", 6)


def registrar_theirs(play):
    """RSPLIB's registrar, with our PEs and PUs."""
    s = play.stage
    play.their_registrar()
    play.our_pe("echo", "echo", "0xaaaa0001", pool="EchoPool")
    s.sees("echo", '"registered"')
    s.exchanged("theirs", "ASAP", 3)
    play.score("ours", "2.1-1", "REGISTRATION, REGISTRATION_RESPONSE")
    play.score("theirs", "2.3-1", "REGISTRATION_RESPONSE R=0")
    access = ["--profile", "rsplib", "--registrar", f"{THEIRS[0]}:3863"]
    s.ours("connect", "rsp", "connect", "EchoPool", *access, stdin="hello world\n")
    s.sees("connect", "hello world")
    play.score("ours", "2.2-1", "rsp connect is served")
    play.their_terminal("terminal", "EchoPool", registrar=THEIRS[0], lines="hello from rspterminal\n")
    s.sees("terminal", "aaaa0001.*hello from rspterminal")

    play.our_pe("least-used-in-rr", "echo", "0xaaaa0002", "--policy", "lu", pool="EchoPool")
    if s.end("least-used-in-rr") == 0:
        raise Failed("a PE that was rejected says so with its exit code")
    play.score("ours", "2.1-2", f"says: {s.said('least-used-in-rr').strip().splitlines()[-1]}")
    for number, (policy, row, resolved) in enumerate(
        [("lu", "2.1-8", "2.2-4"), ("wrr", "2.1-9", "2.2-5"), ("rand", "2.1-10", "2.2-6"), ("wrand", "2.1-11", "2.2-7")]
    ):
        pool = f"{policy}-pool"
        play.our_pe(pool, "echo", f"0xbbbb000{number}", "--policy", policy, pool=pool)
        s.sees(pool, '"registered"')
        play.score("ours", row, "registered")
        s.ours(f"connect-{policy}", "rsp", "connect", pool, *access, stdin=f"by {policy}\n")
        s.sees(f"connect-{policy}", f"by {policy}")
        play.score("ours", resolved, "rsp connect is served")
        s.kill(f"connect-{policy}")
    play.our_pe("rr-in-lu", "echo", "0xaaaa0004", pool="lu-pool")
    if s.end("rr-in-lu") == 0:
        raise Failed("a PE that was rejected says so with its exit code")
    play.score("theirs", "2.3-2", "REGISTRATION_RESPONSE R=1")
    s.exchanged("theirs", "ASAP", 7)
    play.score("theirs", "2.3-6", "ENDPOINT_KEEP_ALIVE")
    s.exchanged("ours", "ASAP", 8)
    play.score("ours", "2.1-5", "ENDPOINT_KEEP_ALIVE_ACK")

    play.our_pe("again", "echo", "0xaaaa0006", pool="AgainPool", settings='[endpoint]\ndefault_life = "4s"\n')

    # A PE of RSPLIB for our PU.
    play.their_pe("their-echo", "echo", "0xaaaa0005", "-poolhandle=TheirPool", registrar=THEIRS[0])
    s.sees("rspregistrar-0", "Successfully registered TheirPool")
    s.ours("connect-theirs", "rsp", "connect", "TheirPool", *access, stdin="hello RSPLIB\n")
    s.sees("connect-theirs", "hello RSPLIB")

    s.send_signal("lu-pool", signal.SIGSTOP)
    s.sees("rspregistrar-0", "Keep-alive timeout expired for pool element .bbbb0000", 30)
    play.score("theirs", "2.3-7", "SIGSTOP: removed")
    s.kill("lu-pool")
    # A life of 4 s: again each 2 s.
    s.expect("it registers again", lambda: s.said("rspregistrar-0").count("Successfully registered AgainPool") > 2)
    play.score("ours", "2.1-3", "REGISTRATION each 2 s")
    s.stop("echo", signal.SIGTERM)
    s.exchanged("theirs", "ASAP", 4)
    play.score("ours", "2.1-4", "DEREGISTRATION, DEREGISTRATION_RESPONSE")


def failover(play):
    """Ping-pong sessions whose cookies go from a PE of RSPLIB to one of ours, and back, with PUs of both."""
    s = play.stage
    play.our_registrar()
    play.their_pe("their-pe", "pingpong", "0xdddd0001")
    s.expect("its PE is there", lambda: "0xdddd0001" in s.elements("PingPongPool"))
    s.theirs("their-pu", "pingpongclient", f"-registrar={OURS[0]}:3863", "-asapannounce=off", "-interval=200")
    s.sees("their-pu", "Ack #5 from PE \\$dddd0001")
    access = ["--profile", "rsplib", "--registrar", f"{OURS[0]}:3863"]
    s.ours("our-pu", "rsp", "ping", "PingPongPool", *access, "--interval", "200ms", "-o", "json")
    s.sees("our-pu", '"pong".*dddd0001|dddd0001.*"pong"', count=5)
    play.our_pe("our-pe", "pingpong", "0xdddd0002", pool="PingPongPool", registrar=OURS[0])
    s.sees("our-pe", '"registered"')
    s.kill("their-pe")
    s.sees("their-pu", "Ack #[0-9]+ from PE \\$dddd0002", count=5)
    s.sees("our-pu", '"failover"')
    s.sees("our-pu", "dddd0002.*pong|pong.*dddd0002", count=5)
    play.their_pe("their-pe-2", "pingpong", "0xdddd0003")
    s.expect("its PE is there", lambda: "0xdddd0003" in s.elements("PingPongPool"))
    s.kill("our-pe")
    s.sees("their-pu", "Ack #[0-9]+ from PE \\$dddd0003", count=5)
    s.sees("our-pu", "dddd0003.*pong|pong.*dddd0003", count=5)
    replies = [json.loads(line)["reply"] for line in s.said("our-pu").splitlines() if '"pong"' in line]
    if replies != sorted(replies):
        raise Failed(f"our PU's replies begin anew: {replies}")
    s.stop("our-pu", signal.SIGTERM)


def registrars(play):
    """Registrars of both in one scope: joining, updates, and a takeover that theirs win."""
    s = play.stage
    play.their_registrar(0, peers=[THEIRS[1], OURS[0]], wait=False)
    play.their_registrar(1, peers=[THEIRS[0], OURS[0]])
    s.sees("rspregistrar-0", "The registrar is ready")
    play.their_pe("their-pe", "echo", "0xaaaa0001", "-rereginterval=5000", registrar=THEIRS[0])
    s.sees("rspregistrar-1", "EchoPool/.aaaa0001")
    # More patient than RSPLIB, so that it is the first to start a takeover.
    play.our_registrar(0, "--set", "max_time_no_response=9s", peers=THEIRS[:2])
    s.expect("the handlespace has come", lambda: s.elements("EchoPool").get("0xaaaa0001"))
    s.exchanged("theirs", "ENRP", 3)
    play.score("ours", "3.1-5", "HANDLE_TABLE_REQUEST, its PE is known")
    play.score("theirs", "3.1-7", "HANDLE_TABLE_RESPONSE")
    s.exchanged("ours", "ENRP", 1)
    s.exchanged("theirs", "ENRP", 1, count=6)
    s.exchanged("ours", "ENRP", 1, count=6)
    for who in ("ours", "theirs"):
        play.score(who, "3.1-1", "PRESENCE")
        play.score(who, "3.1-2", "PRESENCE each 2.44 s")
    s.exchanged("ours", "ENRP", 5)
    s.exchanged("theirs", "ENRP", 6)
    s.expect("both are known", lambda: len(play.known_registrars()) == 2)
    play.score("ours", "3.1-3", "LIST_REQUEST, both of theirs are known")
    play.score("theirs", "3.1-4", "LIST_RESPONSE")

    play.our_pe("our-pe", "echo", "0xaaaa0002", pool="OurPool", registrar=OURS[0])
    s.sees("our-pe", '"registered"')
    play.their_terminal("terminal", "OurPool", registrar=THEIRS[0], lines="through both\n")
    s.sees("terminal", "aaaa0002.*through both")
    play.score("theirs", "3.2-1", "rspterminal finds our PE at its registrar")
    s.kill("our-pe")
    play.our_pe("our-pe", "echo", "0xaaaa0002", pool="OurPool", registrar=OURS[0])
    s.sees("our-pe", '"registered"')
    play.their_terminal("terminal-2", "OurPool", registrar=THEIRS[0], lines="at its new port\n")
    s.sees("terminal-2", "aaaa0002.*at its new port")
    play.score("theirs", "3.2-2", "our PE restarted at another port is found by rspterminal")
    s.stop("our-pe", signal.SIGTERM)
    s.exchanged("ours", "ENRP", 4, count=3)
    s.sees("rspregistrar-0", "Successfully deregistered OurPool/.aaaa0002")
    play.score("theirs", "3.2-3", "its log: deregistered")

    play.their_pe("pingpong", "pingpong", "0xdddd0001", registrar=THEIRS[1])
    s.expect("an addition comes", lambda: s.elements("PingPongPool").get("0xdddd0001"))
    play.score("ours", "3.2-1", "HANDLE_UPDATE ADD_PE")
    s.stop("pingpong")
    s.expect("a removal comes", lambda: not s.elements("PingPongPool"))
    play.score("ours", "3.2-3", "HANDLE_UPDATE DEL_PE")
    # rspserver's services register no load but 0.
    play.speaker("loaded", "asap", THEIRS[1], THEIRS[2], True)
    play.say("loaded", "register LoadedPool 70000001 1 lu0")
    play.say("loaded", "register LoadedPool 70000001 1 lu1000")
    s.expect("its load comes", lambda: s.elements("LoadedPool")["0x70000001"]["policy"]["load"] == 1000)
    play.score("ours", "3.2-2", "HANDLE_UPDATE with another load")

    # The lower identifier wins: 0x22222222, not ours. One that is killed ours would notice at once, by its association.
    s.send_signal("rspregistrar-0", signal.SIGSTOP)
    s.exchanged("theirs", "ENRP", 7, 40)
    s.exchanged("ours", "ENRP", 8)
    s.expect("its PE is at the other", lambda: play.home("EchoPool", "0xaaaa0001") == "0x22222222", 30)
    play.score("theirs", "3.4-1", "INIT_TAKEOVER")
    play.score("theirs", "3.4-4", "its PE is informed and registers there")
    play.score("ours", "3.4-2", "INIT_TAKEOVER_ACK, the PE is left to the winner")


def takeover_by_us(play):
    """One of RSPLIB's registrars dies: ours has the lower identifier and takes over."""
    s = play.stage
    play.our_registrar(0, "--id", "05050505")
    play.their_registrar(0, peers=[OURS[0]])
    play.their_registrar(1, peers=[OURS[0]])
    s.sees("rspregistrar-1", "(Sending Presence to new peer|Synchronization with peer|from peer) .11111111")
    play.score("theirs", "3.1-3", "knows from our LIST_RESPONSE where the other is")
    play.their_pe("their-pe", "echo", "0xaaaa0001", registrar=THEIRS[0])
    s.expect("its PE is known", lambda: play.home("EchoPool", "0xaaaa0001") == "0x11111111")
    s.kill("rspregistrar-0")
    s.exchanged("ours", "ENRP", 7, 40)
    play.score("ours", "3.4-1", "INIT_TAKEOVER")
    s.exchanged("theirs", "ENRP", 8)
    play.score("theirs", "3.4-2", "INIT_TAKEOVER_ACK")
    s.exchanged("ours", "ENRP", 9)
    s.expect("its PE is ours", lambda: play.home("EchoPool", "0xaaaa0001") == "0x05050505")
    s.expect("it registers here", lambda: (s.elements("EchoPool").get("0xaaaa0001") or {}).get("watched"), 30)
    s.sees("their-pe", "Home registrar is .05050505")
    play.score("ours", "3.4-4", "its PE is told by KEEP_ALIVE with H and answers")
    play.score("theirs", "2.1-6", "KEEP_ALIVE_ACK, registers at our registrar")
    play.their_terminal("terminal", "EchoPool", registrar=THEIRS[1], lines="still there\n")
    s.sees("terminal", "aaaa0001.*still there")
    play.score("theirs", "3.4-3", "TAKEOVER_SERVER: the PE stays in its handlespace")


def takeover_by_them(play):
    """Our registrar dies, and RSPLIB's take over our PE."""
    s = play.stage
    play.their_registrar(0, peers=[THEIRS[1], OURS[0]], wait=False)
    play.their_registrar(1, peers=[THEIRS[0], OURS[0]])
    play.our_registrar(peers=THEIRS[:2])
    play.our_pe("our-pe", "echo", "0xaaaa0002", pool="OurPool", registrar=OURS[0])
    s.sees("our-pe", '"registered"')
    s.sees("rspregistrar-0", "aaaa0002")
    s.kill("registrar-0")
    s.exchanged("theirs", "ASAP", 7, 40)
    s.exchanged("ours", "ASAP", 8)
    s.exchanged("theirs", "ASAP", 3)
    play.score("ours", "2.1-6", "KEEP_ALIVE_ACK, registers at its registrar")
    play.their_terminal("terminal", "OurPool", registrar=THEIRS[1], lines="still there\n")
    s.sees("terminal", "aaaa0002.*still there")


def takeover_of_two(play):
    """One registrar of each: when RSPLIB's dies ours takes over alone. The other way round RSPLIB never does."""
    s = play.stage
    play.their_registrar(0, peers=[OURS[0]], wait=False)
    play.our_registrar(peers=THEIRS[:1])
    s.sees("rspregistrar-0", "The registrar is ready")
    play.their_pe("their-pe", "echo", "0xaaaa0001", registrar=THEIRS[0])
    s.expect("its PE is known", lambda: play.home("EchoPool", "0xaaaa0001") == "0x11111111")
    s.kill("rspregistrar-0")
    s.expect("its PE is ours", lambda: play.home("EchoPool", "0xaaaa0001") == "0x33333333", 40)
    s.sees("their-pe", "Home registrar is .33333333", 30)
    play.their_registrar(0, peers=[OURS[0]])
    s.expect("it is back", lambda: play.known_registrars())
    # A PE that does not look for another registrar by itself.
    play.speaker("lone", "asap", OURS[0], OURS[1], False)
    play.say("lone", "register LonePool 70000001 1")
    s.sees("rspregistrar-0", "Successfully registered LonePool/.70000001")
    s.kill("registrar-0")
    s.sees("rspregistrar-0", "Initiating takeover of dead peer .33333333", 30)
    s.sees("rspregistrar-0", "Takeover of peer .33333333 has expired, 0 outstanding", 20)
    if "Takeover of target $33333333 confirmed" in s.said("rspregistrar-0"):
        raise Failed("RSPLIB takes over alone: docs/interop.md says it cannot")


def audit(play):
    """Copies that differ are found by their checksums and mended; tables of several messages."""
    s = play.stage
    play.our_registrar(peers=THEIRS[:1])
    play.speaker("our-many", "asap", OURS[0], OURS[1], False)
    play.say("our-many", "register ManyPool 70000001 80")
    play.their_registrar(0, peers=[OURS[0]])
    # Its start: our whole table, in pages.
    more = [m for m in s.exchanged("ours", "ENRP", 3, count=3) if m.flags & 2]
    if not more:
        raise Failed("no page of our table had M set")
    play.score("ours", "3.1-8", f"{len(more)} HANDLE_TABLE_RESPONSE with M, then one without")
    play.score("theirs", "3.1-6", "asks for each page")
    play.score("theirs", "3.1-5", "takes our table")
    play.score("ours", "3.1-7", "HANDLE_TABLE_RESPONSE")

    # Wrong copies of ours at theirs, and wrong sums of its own.
    play.speaker("liar", "enrp", THEIRS[0], THEIRS[1], True)
    requests = len([m for m in s.counted() if (m.sender, m.protocol, m.type) == ("theirs", "ENRP", 2) and m.flags & 1])
    play.say("liar", "delete ManyPool 70000001 1 33333333")
    play.asked_again("theirs", requests)
    play.score("theirs", "3.3-1", "HANDLE_TABLE_REQUEST W=1, the PE is back")
    play.say("liar", "add GhostPool 7f000001 1 33333333")
    play.asked_again("theirs", requests + 1)
    play.score("theirs", "3.3-2", "HANDLE_TABLE_REQUEST W=1, the ghost is gone")
    play.say("liar", "delete ManyPool 70000001 60 33333333")
    play.say("liar", "add GhostPool 7f000001 60 33333333")
    play.asked_again("theirs", requests + 2)
    play.score("theirs", "3.3-3", "HANDLE_TABLE_REQUEST W=1, several responses with M")

    # A pool of which theirs has forgotten our only PE, so that PEs of another policy come in there and not here; here they come once ours has left.
    play.speaker("their-many", "asap", THEIRS[0], THEIRS[1], True)
    play.clash("FirstPool", "73000001", "74000001", 60)
    play.say("our-many", "deregister FirstPool 73000001 1")
    s.expect("PEs more are found", lambda: len(s.elements("FirstPool")) == 60, 40)
    play.score("ours", "3.3-1", "HANDLE_TABLE_REQUEST W=1, the PEs are taken")
    # It believes that PEs of its own are gone, and tells nobody but by its checksum.
    play.say("liar", "delete FirstPool 74000001 1 11111111")
    s.expect("a PE less is found", lambda: len(s.elements("FirstPool")) == 59, 40)
    play.score("ours", "3.3-2", "HANDLE_TABLE_REQUEST W=1, the PE is removed")
    play.clash("SecondPool", "75000001", "76000001", 40)
    play.say("liar", "delete FirstPool 74000002 30 11111111")
    play.say("our-many", "deregister SecondPool 75000001 1")
    s.expect("many of both are found", lambda: len(s.elements("FirstPool")) == 29 and len(s.elements("SecondPool")) == 40, 60)
    s.expect("the checksums agree", lambda: play.known_registrars()[0]["checksum"] == play.known_registrars()[0]["announced"])
    play.score("ours", "3.3-3", "HANDLE_TABLE_REQUEST W=1, several responses with M, checksums agree")
    if not [m for m in s.counted() if (m.sender, m.protocol, m.type) == ("theirs", "ENRP", 3) and m.flags & 2]:
        raise Failed("no page of its table had M set")
    play.score("ours", "3.1-6", "asks for each page")
    play.score("theirs", "3.1-8", "HANDLE_TABLE_RESPONSE with M, then without")


def addresses(play):
    """Registrations with addresses of others (said by a script: no PE of either can be brought to), and reports that a PE is unreachable."""
    s = play.stage
    play.our_registrar()
    play.speaker("to-ours", "asap", OURS[0], THEIRS[1], True)
    play.strangers("to-ours", "ours")
    known = s.elements("MixedPool")["0x70000002"]["transport"]["addresses"]
    if known != [THEIRS[1]]:
        raise Failed(f"not only the good address is kept: {known}")
    play.score("ours", "2.3-4", "R=0 with a warning; the other address is kept out")

    # A PE that RSPLIB's PUs have no way to.
    s.add_host("far", "198.51.100.254", "198.51.100.253", [])
    words = ["-identifier=0xaaaa0009", "-local=198.51.100.254", "-poolhandle=FarPool", "-asapannounce=off"]
    s.start_at("far", "far-pe", ["rspserver", "-echo", *words, f"-registrar={OURS[0]}:3863"])
    s.expect("it is registered", lambda: s.elements("FarPool"))
    play.their_terminal("terminal-far", "FarPool", lines="hello\n")
    s.exchanged("theirs", "ASAP", 9)
    play.score("theirs", "2.2-2", "ENDPOINT_UNREACHABLE")
    s.kill("terminal-far")

    # Three reporters on three hosts, from where the PE cannot be reached.
    play.their_pe("echo", "echo", "0xaaaa0001", local=THEIRS[1])
    s.expect("it is registered", lambda: "0xaaaa0001" in s.elements("EchoPool"))
    for number in range(3):
        s.add_host(f"far{number}", f"198.51.100.{4 * number + 2}", f"198.51.100.{4 * number + 1}", [THEIRS[1]])
        words = ["-poolhandle=EchoPool", f"-registrar={OURS[0]}:3863", "-asapannounce=off", "-loglevel=4"]
        s.start_at(f"far{number}", f"terminal-{number}", ["rspterminal", *words], stdin="hello\n")
    s.expect("it is removed", lambda: not s.elements("EchoPool"), 30)
    s.sees("registrar-0", "0xaaaa0001.*unreachable")
    play.score("ours", "2.3-5", "three pool users report it, at the third it is removed")


def c_library(play):
    """<rserpool.h> over the kernel's SCTP: every call with RSPLIB's registrar, our PU with its PE, its PU with our PE."""
    s = play.stage
    programs = os.path.join(os.path.dirname(s.out), "c")
    words = ["-protocol=132", f"-registrar={THEIRS[0]}:3863", "-loglevel=3"]
    settings = 'profile = "rsplib"\n'
    c = lambda name, program, *more, stdin=None: s.ours(name, f"{programs}/{program}", *words, *more, stdin=stdin, settings=settings)
    play.their_registrar()
    c("calls", "rserpool_calls", f"-address={OURS[0]}")
    if s.end("calls", 60) != 0:
        raise Failed(s.said("calls"))

    play.their_pe("their-pe", "echo", "0xaaaa0001", registrar=THEIRS[0])
    s.sees("rspregistrar-0", "Successfully registered EchoPool")
    c("our-pu", "rsplib_echo_pu", stdin="hello RSPLIB\n")
    s.sees("our-pu", "Paaaa0001> hello RSPLIB")
    c("our-pe", "rsplib_echo_pe")
    s.sees("our-pe", "registered")
    s.kill("their-pe")
    s.sees("our-pu", "Failover: complete")
    s.type("our-pu", "hello again\n")
    s.sees("our-pu", "P.*> hello again")
    play.their_terminal("terminal", "EchoPool", registrar=THEIRS[0], lines="hello from rspterminal\n")
    s.sees("terminal", "from PE.*hello from rspterminal")
    s.stop("our-pe", signal.SIGTERM)


def unreachable_theirs(play):
    """RSPLIB's registrar is told by our PUs that a PE is unreachable; and registrations with addresses of others."""
    s = play.stage
    play.their_registrar()
    play.speaker("to-theirs", "asap", THEIRS[0], THEIRS[1], True)
    play.strangers("to-theirs", "theirs")
    play.score("theirs", "2.3-4", "REGISTRATION_RESPONSE R=0")
    play.their_pe("echo", "echo", "0xaaaa0001", registrar=THEIRS[0], local=THEIRS[1])
    s.sees("rspregistrar-0", "Successfully registered EchoPool")
    s.cut_off(THEIRS[1])
    access = ["--profile", "rsplib", "--registrar", f"{THEIRS[0]}:3863", "--timeout", "60s"]
    for number in range(3):
        s.ours(f"connect-{number}", "rsp", "connect", "EchoPool", *access, stdin="hello\n")
    s.exchanged("ours", "ASAP", 9, count=3)
    play.score("ours", "2.2-2", "ENDPOINT_UNREACHABLE")
    s.sees("rspregistrar-0", "3 unreachability reports for pool element .aaaa0001")
    play.score("theirs", "2.3-5", "removed after three reports")


def multicast(play):
    """Registrars that announce themselves, and PEs, PUs and registrars that know none."""
    s = play.stage
    groups = ["-asapannounce=239.0.0.50:3863", "-enrpannounce=239.0.0.51:9901"]
    play.their_registrar(0, *groups)
    words = ["pe", "run", "--pool", "EchoPool", "--id", "0xaaaa0002", "--profile", "rsplib", "-o", "json"]
    s.ours("our-pe", "rsp", *words, "--listen", f"{OURS[0]}:0", "echo")
    s.sees("our-pe", '"registered"', 30)
    s.exchanged("theirs", "ASAP", 10)
    s.exchanged("theirs", "ASAP", 3)
    play.score("ours", "2.1-7", "SERVER_ANNOUNCE heard, registered there")
    s.ours("connect", "rsp", "connect", "EchoPool", "--profile", "rsplib", stdin="who is there\n")
    s.sees("connect", "who is there", 30)
    play.score("ours", "2.2-3", "SERVER_ANNOUNCE heard, resolved there")
    s.kill("connect")

    play.our_registrar(0, "--multicast")
    s.expect("its registrar is found", lambda: play.known_registrars())
    s.expect("its handlespace has come", lambda: s.elements("EchoPool").get("0xaaaa0002"))
    play.score("ours", "3.1-9", "PRESENCE heard by multicast; association, list and table follow")
    s.exchanged("theirs", "ENRP", 1, count=3)
    play.score("theirs", "3.1-9", "PRESENCE heard by multicast; association follows")
    s.stop("our-pe", signal.SIGTERM)
    s.stop("rspregistrar-0")

    s.theirs("their-pe", "rspserver", "-echo", "-identifier=0xaaaa0003", f"-local={THEIRS[0]}", "-loglevel=4")
    s.expect("its PE finds our registrar", lambda: s.elements("EchoPool").get("0xaaaa0003"), 30)
    play.score("theirs", "2.1-7", "SERVER_ANNOUNCE heard, registered at our registrar")
    s.theirs("terminal", "rspterminal", "-poolhandle=EchoPool", "-loglevel=4", stdin="who is there\n")
    s.sees("terminal", "aaaa0003.*who is there", 30)
    play.score("theirs", "2.2-3", "SERVER_ANNOUNCE heard, resolved at our registrar")


SCENARIOS = {
    play.__name__.replace("_", "-"): play
    for play in (
        registrar_ours, registrar_theirs, applications, failover, registrars, takeover_by_us, takeover_by_them,
        takeover_of_two, audit, addresses, unreachable_theirs, multicast, c_library,
    )
}


def main():
    name, out, binaries = sys.argv[1:4]
    stage = Stage(out, binaries)
    play, failed = Play(stage), None
    try:
        SCENARIOS[name](play)
    except Failed as why:
        failed = str(why)
    except Exception:  # whatever it is, the recording is kept and the reason told
        failed = traceback.format_exc()
    finally:
        stage.close()
    with open(f"{out}/result.json", "w") as file:
        json.dump({"failed": failed, "rows": play.rows, "seconds": time.monotonic() - stage.began}, file)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
