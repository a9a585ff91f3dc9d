"""Walk a cell of the table: real packets at every hook of a device, and what became of them."""

import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from devices.cells import Device, Filtered, Refused
from devices.making import V4, V6, Hosts, Made, sh
from wirepath.datapath import Datapath
from wirepath.errors import RequestError, WirepathError
from wirepath.kernel.links import Mode
from wirepath.lab.netns import Namespace
from wirepath.net import HOOKS, Hook
from wirepath.policy import Policy

# What each hook does with the datagrams to its ports; the other hooks pass them.
PASS, DROP, LIMIT, DSCP, DEFAULT, REJECT, BAN = range(1, 8)
FIRST: dict[Hook, int] = {"ingress": 6000, "tc_ingress": 6100, "egress": 6200}
BODY_PORT = 5001
_BODY = bytes(300_000)
_BURST = 2
_EF = 46
# Two sources that are EtherTypes where an IP header is taken for Ethernet.
_STRANGE = ("8.0.0.2", "134.221.0.2")
_TRANSPARENT = {4: (socket.IPPROTO_IP, 19), 6: (socket.IPPROTO_IPV6, 75)}
_ERRORS = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
_ASK_TOS = {4: (socket.IPPROTO_IP, 13), 6: (socket.IPPROTO_IPV6, 66)}


@dataclass
class Report:
    """The result of a cell.

    Attributes:
        refused: what `up` said when it refused; empty if it did not.
        faults: by hook, or "all", what went otherwise than expected.
    """

    refused: str
    faults: list[tuple[str, str]]


def walk(device: Device, mode: Mode, hosts: Hosts, *, patience_s: float = 5) -> Report:
    """Make the device, and hold *mode* on it against the table."""
    expected = device.expected(mode)
    with device.make(hosts) as made:
        before = _features(hosts, made)
        if isinstance(expected, Refused):
            report = _refused(hosts, made, mode, expected)
        else:
            report = _Walk(device, mode, expected, hosts, made, patience_s).report()
        for line in before ^ _features(hosts, made):
            report.faults.append(("all", f"ethtool -k after down: {line}"))
    return report


def _features(hosts: Hosts, made: Made) -> set[str]:
    return set(sh(hosts.near, f"ethtool -k {made.name}").splitlines())


def _refused(hosts: Hosts, made: Made, mode: Mode, expected: Refused) -> Report:
    with hosts.near.entered():
        try:
            Datapath.up(made.name, Policy.parse(""), mode=mode).down()
        except WirepathError as error:
            matches = re.search(expected.why, str(error))
            faults = [] if matches else [("all", f"refused otherwise: {error}")]
            return Report(str(error), faults)
    return Report("", [("all", "it was not refused")])


def policy(*, answers: bool, link: bool = True) -> str:
    """Write the policy of all three hooks; without link headers no packet changes at ingress."""
    text = '[datapath]\ndefault = "drop"\n'
    for hook in HOOKS:
        first = FIRST[hook]
        own = {first + DEFAULT, first + DROP}
        if answers and hook == "ingress":
            own.add(first + REJECT)
            text += _rule(hook, "reject", f"dport = {first + REJECT}", "reject = true")
        text += _rule(hook, "drop", f"dport = {first + DROP}", 'action = "drop"')
        limit = f'limit = {{ rate = "{_BURST}/h", burst = {_BURST}, per = "rule" }}'
        text += _rule(hook, "limit", f"dport = {first + LIMIT}", limit)
        dscp = 'dscp = "EF"' if link or hook != "ingress" else ""
        text += _rule(hook, "dscp", f"dport = {first + DSCP}", dscp)
        if hook != "egress":  # where a limit would ban our own addresses
            ban = 'limit = { rate = "1/h", burst = 1, per = "src", ban = "1h" }'
            text += _rule(hook, "ban", f"dport = {first + BAN}", ban)
        rest = [first + n for first in FIRST.values() for n in range(1, 8) if first + n not in own]
        text += _rule(hook, "rest", f"dport = {rest}", 'action = "pass"')
        text += f'[[rule]]\nname = "{hook}-tcp"\nhook = "{hook}"\naction = "pass"\n'
        text += f'match = {{ proto = "tcp", port = {BODY_PORT} }}\n'
        # Errors that the host itself answers with are no test of ours.
        text += f'[[rule]]\nname = "{hook}-icmp"\nhook = "{hook}"\naction = "pass"\n'
        text += 'match = { proto = ["icmp", "icmpv6"] }\n'
    return text


def _rule(hook: Hook, name: str, match: str, does: str) -> str:
    head = f'[[rule]]\nname = "{hook}-{name}"\nhook = "{hook}"\n'
    return f'{head}match = {{ proto = "udp", {match} }}\n{does}\n'


@dataclass
class _Walk:
    """One device in one mode, in which the policy is in force."""

    device: Device
    mode: Mode
    expected: Filtered
    hosts: Hosts
    made: Made
    patience_s: float
    faults: list[tuple[str, str]] = field(default_factory=list)

    def report(self) -> Report:
        with ExitStack() as stack:
            stack.enter_context(self._armed())
            stack.enter_context(self.hosts.near.entered())
            if not self.device.link:
                self._refuses_answers()
            try:
                text = policy(answers=self.expected.answers, link=self.device.link)
                datapath = Datapath.up(self.made.name, Policy.parse(text), mode=self.mode)
            except WirepathError as error:
                return Report(str(error), [("all", f"refused: {error}")])
            try:
                self._warnings(datapath)
                for hook in HOOKS:
                    self._at(hook, datapath)
                if self.expected.answers:
                    self._answers()
                self._bulk()
                self._counts(datapath)
                self._warnings(datapath)
            finally:
                datapath.down()
        return Report("", self.faults)

    @contextmanager
    def _armed(self) -> Iterator[None]:
        if not self.made.armed or self.mode != "native" or not self.expected.answers:
            yield
            return
        with self.hosts.far.entered():
            listener = Datapath.up(self.made.armed, Policy.parse(""))
        yield
        with self.hosts.far.entered():
            listener.down()

    def _refuses_answers(self) -> None:
        try:
            Datapath.up(
                self.made.name, Policy.parse(policy(answers=True, link=False)), mode=self.mode
            ).down()
        except RequestError as error:
            if "takes Ethernet headers" in str(error):
                return
        self.faults.append(("ingress", "rules that answer are not refused"))

    def _warnings(self, datapath: Datapath) -> None:
        warns, lines = self.expected.warns, datapath.status().warnings
        for line in lines:
            if not warns or not re.search(warns, line):
                self.faults.append(("all", f"status warns: {line}"))
        if warns and not lines:
            self.faults.append(("all", "status does not warn"))

    def _expect(self, hook: Hook, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.faults.append((hook, f"{what}: {found}, not {wanted}"))

    def _ends(self, hook: Hook) -> tuple[Namespace, Namespace, int]:
        near, far = self.hosts
        return (near, far, 1) if hook == "egress" else (far, near, 0)

    def _sources(self, hook: Hook) -> list[tuple[int, str]]:
        own = 0 if hook == "egress" else 1
        v4 = [(4, source) for source in (V4[own], *_STRANGE)]
        return [each for each in (*v4, (6, V6[own])) if each[0] in self.made.versions]

    def _at(self, hook: Hook, datapath: Datapath) -> None:
        """Send to each port of *hook* from each source, and see what came."""
        source, sink, to = self._ends(hook)
        sources, first = self._sources(hook), FIRST[hook]
        n = len(sources)
        kinds = (DROP, LIMIT, DEFAULT, DSCP, PASS)
        wanted = {PASS: n, DROP: 0, LIMIT: _BURST, DSCP: n, DEFAULT: 0}
        with _inbox(sink, [first + kind for kind in (*kinds, BAN)]) as inbox:
            for kind in kinds:
                for version, address in sources * (3 if kind == LIMIT else 1):
                    _send(source, version, address, (V4, V6)[version == 6][to], first + kind)
            came = inbox.take(sum(wanted.values()), self.patience_s)
            for kind, name in zip(kinds, ("drop", "limit", "default", "dscp", "pass"), strict=True):
                self._expect(hook, name, len(came[first + kind]), wanted[kind])
            marked = self.device.link or hook != "ingress"
            self._expect(hook, "dscp", set(came[first + DSCP]), {_EF if marked else 0})
            rules = datapath.counters().rules
            self._expect(hook, "drop counted", rules[f"{hook}-drop"].dropped, n)
            self._expect(hook, "limit counted", rules[f"{hook}-limit"].dropped, 3 * n - _BURST)
            self._expect(hook, "dscp counted", rules[f"{hook}-dscp"].packets, n)
            self._bans(hook, datapath, inbox)

    def _bans(self, hook: Hook, datapath: Datapath, inbox: "_Inbox") -> None:
        source, _, to = self._ends(hook)
        place, first = HOOKS.index(hook), FIRST[hook]
        version = self.made.versions[0]
        banned = f"203.0.113.{66 + place}" if version == 4 else f"2001:db8:66:{place}::1"
        target = (V4, V6)[version == 6][to]
        if hook == "egress":
            _send(source, version, banned, target, first + BAN)
            datapath.bans.add(banned)
        for port in (BAN, BAN, BAN, PASS):
            _send(source, version, banned, target, first + port)
        own = self._sources(hook)[-1]
        _send(source, own[0], own[1], (V4, V6)[own[0] == 6][to], first + PASS)
        came = inbox.take(2, self.patience_s)
        self._expect(hook, "ban", (len(came[first + BAN]), len(came[first + PASS])), (1, 1))
        rules = {ban.rule for ban in datapath.bans.all()}
        by = None if hook == "egress" else f"{hook}-ban"
        self._expect(hook, "is banned", by in rules, wanted=True)

    def _answers(self) -> None:
        for version in self.made.versions:
            with self.hosts.far.entered():
                client = _socket(version)
            with client:
                client.setsockopt(*_ERRORS[version], 1)
                client.settimeout(self.patience_s)
                client.connect(((V4, V6)[version == 6][0], FIRST["ingress"] + REJECT))
                client.send(b"?")
                try:
                    client.recv(9)
                except TimeoutError:
                    self.faults.append(("ingress", f"reject: no answer over IPv{version}"))
                except OSError:
                    continue

    def _bulk(self) -> None:
        """Transfer a body by TCP, with whatever offloads the device has."""
        version = self.made.versions[0]
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        address = (V4, V6)[version == 6][0]
        with self.hosts.near.entered():
            server = socket.create_server((address, BODY_PORT), family=family)
        server.settimeout(4 * self.patience_s)
        with self.hosts.far.entered():
            client = socket.socket(family, socket.SOCK_STREAM)
        client.settimeout(4 * self.patience_s)
        came = []

        def take() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                connection.settimeout(4 * self.patience_s)
                with connection:
                    while data := connection.recv(1 << 16):
                        came.append(len(data))

        taker = threading.Thread(target=take)
        taker.start()
        with server, client, suppress(OSError):
            client.connect((address, BODY_PORT))
            client.sendall(_BODY)
            client.shutdown(socket.SHUT_WR)
            taker.join()
        taker.join()
        if sum(came) != len(_BODY):
            self.faults.append(("all", f"tcp: {sum(came)} of {len(_BODY)} bytes came"))

    def _counts(self, datapath: Datapath) -> None:
        for hook, outcomes in datapath.counters().hooks.items():
            self._expect(hook, "malformed", outcomes.reasons["malformed"].packets, 0)
            if not self.device.speaks:
                self._expect(hook, "not_ip", outcomes.reasons["not_ip"].packets, 0)
            if not outcomes.packets:
                self.faults.append((hook, "met no packet"))


class _Inbox:
    def __init__(self, sockets: dict[tuple[int, int], socket.socket]) -> None:
        self._sockets = sockets

    def take(self, count: int, patience_s: float) -> dict[int, list[int]]:
        """Take what has come to each port, as DSCPs: *count* datagrams, and any that came too."""
        came: dict[int, list[int]] = {port: [] for _, port in self._sockets}
        deadline = time.monotonic() + patience_s
        while sum(map(len, came.values())) < count and time.monotonic() < deadline:
            time.sleep(0.02)
            self._read(came)
        time.sleep(0.1)  # for one that should not have come
        self._read(came)
        return came

    def _read(self, came: dict[int, list[int]]) -> None:
        for (_, port), each in self._sockets.items():
            with suppress(BlockingIOError):
                while True:
                    _, ancillary, _, _ = each.recvmsg(64, 64)
                    came[port].append(ancillary[0][2][0] >> 2)


@contextmanager
def _inbox(host: Namespace, ports: Sequence[int]) -> Iterator[_Inbox]:
    with ExitStack() as stack:
        made = {}
        with host.entered():
            for version in (4, 6):
                for port in ports:
                    each = made[version, port] = stack.enter_context(_socket(version))
                    each.setsockopt(*_ASK_TOS[version], 1)
                    each.settimeout(0)
                    each.bind(("::" if version == 6 else "0.0.0.0", port))  # noqa: S104
        yield _Inbox(made)


def _socket(version: int) -> socket.socket:
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    if version == 6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def _send(host: Namespace, version: int, source: str, address: str, port: int) -> None:
    with host.entered():
        sender = _socket(version)
    with sender:
        sender.setsockopt(*_TRANSPARENT[version], 1)
        sender.bind((source, 0))
        with suppress(PermissionError):  # egress has dropped it
            sender.sendto(b"!", (address, port))
