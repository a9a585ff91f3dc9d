"""Walk a cell of the table: real packets at every hook of a device, and what became of them."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from devices import extras
from devices.cells import Device, Filtered, PassedBy, Refused
from devices.datagrams import Inbox, inbox, send, udp
from devices.making import V4, V6, Hosts, Made, sh
from devices.policies import (
    BAN,
    BODY_PORT,
    BURST,
    DEFAULT,
    DROP,
    DSCP,
    FIRST,
    LIMIT,
    PASS,
    REJECT,
    policy,
)
from wirepath.datapath import Datapath
from wirepath.errors import RequestError, WirepathError
from wirepath.kernel.links import Mode
from wirepath.lab.netns import Namespace
from wirepath.net import HOOKS, Hook
from wirepath.policy import Policy

_BODY = bytes(300_000)
_EF = 46
# Two sources that are EtherTypes where an IP header is taken for Ethernet.
_STRANGE = ("8.0.0.2", "134.221.0.2")
_ERRORS = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}


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
        elif isinstance(expected, PassedBy):
            report = Report("", extras.passed_by(hosts, made, mode, expected, patience_s))
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
                text = policy(
                    answers=self.expected.answers, link=self.device.link, vlan=self.made.vlan
                )
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
                self._extras(datapath)
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

    def _expect(self, hook: str, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.faults.append((hook, f"{what}: {found}, not {wanted}"))

    # The host where packets of the far one end.
    @property
    def _end(self) -> Namespace:
        return self.made.through or self.hosts.near

    def _ends(self, hook: Hook) -> tuple[Namespace, Namespace, int]:
        near, far = self._end, self.hosts.far
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
        wanted = {PASS: n, DROP: 0, LIMIT: BURST, DSCP: n, DEFAULT: 0}
        with inbox(sink, [first + kind for kind in (*kinds, BAN)]) as box:
            for kind in kinds:
                for version, address in sources * (3 if kind == LIMIT else 1):
                    send(source, version, address, (V4, V6)[version == 6][to], first + kind)
            came = box.take(sum(wanted.values()), self.patience_s)
            for kind, name in zip(kinds, ("drop", "limit", "default", "dscp", "pass"), strict=True):
                self._expect(hook, name, len(came[first + kind]), wanted[kind])
            marked = self.device.link or hook != "ingress"
            self._expect(hook, "dscp", set(came[first + DSCP]), {_EF if marked else 0})
            rules = datapath.counters().rules
            self._expect(hook, "drop counted", rules[f"{hook}-drop"].dropped, n)
            self._expect(hook, "limit counted", rules[f"{hook}-limit"].dropped, 3 * n - BURST)
            self._expect(hook, "dscp counted", rules[f"{hook}-dscp"].packets, n)
            self._bans(hook, datapath, box)

    def _bans(self, hook: Hook, datapath: Datapath, box: Inbox) -> None:
        source, _, to = self._ends(hook)
        place, first = HOOKS.index(hook), FIRST[hook]
        version = self.made.versions[0]
        banned = f"203.0.113.{66 + place}" if version == 4 else f"2001:db8:66:{place}::1"
        target = (V4, V6)[version == 6][to]
        # It has arrived before the next one bans its source at all hooks.
        send(source, version, banned, target, first + BAN)
        before = box.take(1, self.patience_s)
        if hook == "egress":
            datapath.bans.add(banned)
        for port in (BAN, BAN, PASS):
            send(source, version, banned, target, first + port)
        own = self._sources(hook)[-1]
        send(source, own[0], own[1], (V4, V6)[own[0] == 6][to], first + PASS)
        after = box.take(1, self.patience_s)
        came = [len(before[first + port]) + len(after[first + port]) for port in (BAN, PASS)]
        self._expect(hook, "ban", came, [1, 1])
        rules = {ban.rule for ban in datapath.bans.all()}
        by = None if hook == "egress" else f"{hook}-ban"
        self._expect(hook, "is banned", by in rules, wanted=True)

    def _answers(self) -> None:
        for version in self.made.versions:
            with self.hosts.far.entered():
                client = udp(version)
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
        with self._end.entered():
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

    def _extras(self, datapath: Datapath) -> None:
        if self.made.vlan:
            self.faults += extras.tags(
                self.hosts, self.made, self.expected, datapath, self.patience_s
            )
        if self.device.foreign:
            self.faults += extras.foreign(
                self.hosts,
                self.made,
                datapath,
                self.patience_s,
                judged=self.device.foreign == "judged",
                answers=self.expected.answers,
            )

    def _counts(self, datapath: Datapath) -> None:
        for hook, outcomes in datapath.counters().hooks.items():
            self._expect(hook, "malformed", outcomes.reasons["malformed"].packets, 0)
            if not self.device.speaks:
                self._expect(hook, "not_ip", outcomes.reasons["not_ip"].packets, 0)
            if not outcomes.packets:
                self.faults.append((hook, "met no packet"))
