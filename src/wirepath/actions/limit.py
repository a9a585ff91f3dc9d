"""``limit``: a rate for each source, prefix or destination. Packets that exceed it are dropped.

GCRA (ITU-T I.371): a full burst at once, then one packet every interval; no window has an edge.
The kernel's half is ``bpf/actions/limit.h``.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from wirepath import quantities
from wirepath.actions.action import Action, Counting, Key, Memory
from wirepath.actions.needs import Fq
from wirepath.actions.placed import Placed
from wirepath.actions.state import StateMap
from wirepath.document import Table, choice, closest, flag, string
from wirepath.errors import RequestError, shown
from wirepath.net import ADDRESS_BITS, Ban, Hook, Outcome, Packet, Prefix, Verdict, is_ipv4
from wirepath.quantities import SECOND_NS, Rate

KEYS: Final = 100_000  # keys that a limit has room for by default
KEYS_MOST: Final = 16_000_000
CELLS: Final = 7  # a bucket: LIMIT_WAYS of bpf/actions/limit_cells.h
BUCKETS: Final = StateMap(name="limit_buckets", moves="ranges")
_EXACT: Final = StateMap(
    name="limit_exact_cells",
    summed=True,
    reserve=512,  # entries that a CPU may hold back: kernel/bpf/bpf_lru_list.c
    moves="entries",
)
_DUE: Final = StateMap(name="bans_due")
BANS_MOST: Final = 1_000_000  # BANS_MAX of bpf/guard/bans.h
LIMITED: Final = Counting(("conformed", "exceeded"))
_BUCKET_KEYS: Final = 4  # at most, of 7 cells, so that few buckets have more keys than cells

BURST_MOST_S: Final = 86_400  # times in a bucket span at most so much after its era
_FRAME_BITS: Final = 8 * 1514
_DEFAULT_BITS: Final = 8 * 128 * 1024  # with less, TCP collapses behind a policer
GSO_BITS: Final = 8 * (65_536 + 46 * 66)
"""A packet of 64 KiB that the kernel segments later, with the headers of all its segments."""
_RTT: Final = 5  # a second has so many round trips: a sender hears of a loss after 0.2 s
_COARSE_NS: Final = SECOND_NS  # a burst of this is 250 ticks of the coarse clock
HORIZON_NS: Final = 2 * SECOND_NS  # how long a shaped packet waits, at most
_COST_SHIFT: Final = 20  # COST_SHIFT of bpf/actions/limit_ask.h
_IPV4_BITS: Final = ADDRESS_BITS - 32
_LOW: Final = (1 << 64) - 1

_PART: Final = re.compile(r"(src|dst)(6?)(?:/(\d{1,3}))?", re.ASCII)
_PER_SUCH_AS: Final = '"src", "dst", "src/24", "src6/48", "src+dport", "rule"'
_FLAGS: Final = ("sport", "dport", "cgroup")
_NAMES: Final = ("src", "dst", *_FLAGS, "rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Per:
    """The key of a limit: packets with the same key share a rate.

    Attributes:
        words: as the operator wrote it.
        src, dst: leading bits of the address that are in the key, of IPv4 (0 to 32) and of IPv6.
        sport, dport: whether the port is in the key.
        cgroup: whether the cgroup of the socket is.
    """

    words: str
    src: tuple[int, int] = (0, 0)
    dst: tuple[int, int] = (0, 0)
    sport: bool = False
    dport: bool = False
    cgroup: bool = False

    @classmethod
    def read(cls, value: Any) -> Self:
        """Read parts joined by ``+``: ``src``, ``src/24``, ``src6/48``, ``dport``; or ``rule``.

        An IPv6 source counts by its /64 unless ``src6/N`` says otherwise; destinations count whole.

        Raises:
            RequestError: *value* is none of these; the message has the nearest part.
        """
        words = string(value)
        if words == "rule":
            return cls(words=words)
        found: dict[str, Any] = {}
        bits = {"src": [32, 64], "dst": [32, ADDRESS_BITS]}
        for part in words.split("+"):
            match = _PART.fullmatch(part)
            if match and (match[3] or not match[2]):
                side, v6 = match[1], bool(match[2])
                if match[3]:
                    bits[side][v6] = _length(value, part, int(match[3]), ADDRESS_BITS if v6 else 32)
                found[side] = tuple(bits[side])
            elif part in _FLAGS:
                found[part] = True
            else:
                cure = closest(part, _NAMES) or f"write {_PER_SUCH_AS}"
                raise RequestError(f"{shown(value)}: no key for a limit ({cure})")
        return cls(words=words, **found)

    @property
    def all_together(self) -> bool:
        """Whether all packets have the same key."""
        return not (any(self.src) or any(self.dst) or self.sport or self.dport or self.cgroup)

    def key(self, packet: Packet) -> tuple[int, int, int, int]:
        """Give the key of *packet*, without its cgroup, which the model does not know."""
        v4 = is_ipv4(packet.source)
        return (
            _masked(packet.source, self.src[not v4], v4=v4),
            _masked(packet.destination, self.dst[not v4], v4=v4),
            (packet.sport or 0) * self.sport,
            (packet.dport or 0) * self.dport,
        )

    def source(self, packet: Packet) -> Prefix:
        """Give the prefix of *packet*'s source that is in the key."""
        v4 = is_ipv4(packet.source)
        return Prefix.around(packet.source, self.src[not v4] + _IPV4_BITS * v4)


def _length(value: Any, part: str, bits: int, most: int) -> int:
    if 1 <= bits <= most:
        return bits
    raise RequestError(f"{shown(value)}: {part} is no prefix (its length goes from 1 to {most})")


def _masked(address: int, bits: int, *, v4: bool) -> int:
    return Prefix.around(address, bits + _IPV4_BITS * v4).address if bits else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Action):
    """Packets that exceed a rate are dropped; the others go on to later rules.

    Attributes:
        rate: the rate once the burst is used up.
        burst: how many packets, or bits, may come at once.
        per: the key: packets with the same key share the rate.
        ban_s: for how many seconds a source that exceeds the rate is banned; None if it is not.
        ban_scope: ``rule`` if the ban is for packets of this rule alone, ``all`` if for all.
        exact: whether every key has a cell of its own.
        keys: how many keys it has room for.
        shape: whether packets that exceed the rate leave later, up to the horizon.
    """

    rate: Rate
    burst: int
    per: Per
    ban_s: float | None = None
    ban_scope: str = "all"
    exact: bool = False
    keys: int = KEYS
    shape: bool = False

    kind: ClassVar[str] = "limit"
    for_ours: ClassVar[bool] = True
    configs: ClassVar[str] = "limits"
    states: ClassVar[tuple[StateMap, ...]] = (BUCKETS, _EXACT, _DUE)
    counting: ClassVar[Counting] = LIMITED

    @property
    def may(self) -> tuple[Outcome]:
        """Drop; other packets go on."""
        return ("drop",)

    @property
    def limits(self) -> dict[str, "Limit"]:
        """The limit is its own only limit, without a role."""
        return {"": self}

    @property
    def needs(self) -> tuple[Fq, ...]:
        """The qdisc in which shaped packets wait."""
        return (Fq(),) if self.shape else ()

    @property
    def remembers(self) -> dict[StateMap, int]:
        """Cells, in buckets or by key, and a queue of bans if it bans."""
        return {
            BUCKETS: self.buckets,
            _EXACT: self.keys if self.exact else 0,
            _DUE: BANS_MOST if self.ban_s is not None else 0,
        }

    @property
    def packet_ns(self) -> int:
        """The time that a packet takes up; 0 if bytes count."""
        return 0 if self.rate.bits else round(self.rate.unit_s * SECOND_NS / self.rate.count)

    @property
    def byte_cost(self) -> int:
        """The time that a byte takes up, in 2^-20 ns; 0 if packets count."""
        ns = 8 * self.rate.unit_s * SECOND_NS << _COST_SHIFT
        return round(ns / self.rate.count) if self.rate.bits else 0

    @property
    def burst_ns(self) -> int:
        """The time that may be outstanding."""
        if self.rate.bits:
            return self.burst // 8 * self.byte_cost >> _COST_SHIFT
        return self.burst * self.packet_ns

    @property
    def most_ns(self) -> int:
        """The time that may be outstanding at most: of the burst and, if it shapes, the horizon."""
        return self.burst_ns + HORIZON_NS * self.shape

    @property
    def ban_bits(self) -> tuple[int, int]:
        """The prefix length of a ban, of 128 bits: for IPv4, for IPv6."""
        return _IPV4_BITS + self.per.src[0], self.per.src[1]

    @property
    def buckets(self) -> int:
        """How many buckets of cells it takes, a power of two; 0 if the limit is exact."""
        if self.exact:
            return 0
        if self.per.all_together:
            return 1
        return 1 << (self.keys // _BUCKET_KEYS - 1).bit_length()

    def decide(self, packet: Packet, memory: Memory) -> Verdict | None:
        """Drop *packet* if it exceeds the rate, and ban its source if the limit bans."""
        now, scope = memory.now_ns, memory.rule if self.ban_scope == "rule" else None
        if scope and memory.bans.on(self.per.source(packet), scope, now):
            return Verdict("drop", "banned", rule=memory.rule)
        if self.conforms(packet, memory):
            return None
        if self.ban_s is not None:
            until = now + int(self.ban_s * SECOND_NS)
            memory.bans.impose(Ban(self.per.source(packet), until, memory.rule, scope))
        return Verdict("drop", "limit_exceeded", rule=memory.rule)

    def conforms(self, packet: Packet, memory: Memory, role: str = "") -> bool:
        """Tell whether *packet* conforms to the rate, and if so let it take up its time.

        If the limit shapes, a packet also conforms if it has to wait no longer than the horizon.
        """
        key, now = (role, self.per.key(packet)), memory.now_ns
        cost = self.packet_ns * packet.segments
        cost += packet.frame_bytes * self.byte_cost >> _COST_SHIFT
        ends = min(memory.cells.get(key, 0), now + self.most_ns)
        rest = max(ends - now, 0) + cost
        if rest > self.most_ns:
            memory.cells[key] = ends
            return False
        memory.cells[key] = now + rest
        late_ns = rest - self.burst_ns
        if late_ns > 0:
            memory.departs_ns = max(memory.departs_ns, now + late_ns)
        return True

    def marks(self, packet: Packet, memory: Memory, role: str) -> bool:
        """Tell whether the key of *packet* is marked: whether it has any time outstanding."""
        return memory.cells.get((role, self.per.key(packet)), 0) > memory.now_ns

    def mark(self, packet: Packet, memory: Memory, role: str) -> None:
        """Mark the key of *packet*: the whole burst is outstanding."""
        memory.cells[role, self.per.key(packet)] = memory.now_ns + self.burst_ns

    def lower(self, placed: Placed) -> dict[str, Any]:
        """Give the values of ``struct limit``."""
        per = self.per
        return {
            "src": [_mask(per.src[0], v4=True), _mask(per.src[1], v4=False)],
            "dst": [_mask(per.dst[0], v4=True), _mask(per.dst[1], v4=False)],
            "ports": 0xFFFF * (per.sport << 16 | per.dport),
            "ban_bits": list(self.ban_bits),
            "first_bucket": placed.first_bucket,
            "bucket_mask": placed.buckets - 1,
            "by_rule": self.ban_scope == "rule",
            "exact": self.exact,
            "coarse": self.burst_ns >= _COARSE_NS and not self.shape,
            "by_cgroup": self.per.cgroup,
            "packet_ns": self.packet_ns,
            "byte_cost": self.byte_cost,
            "burst_ns": self.most_ns,
            "at_once_ns": self.burst_ns if self.shape else 0,
            "ban_ns": int((self.ban_s or 0) * SECOND_NS),
        }

    def describe(self) -> str:
        """Say ``limit 5/min per src, ban 5min``."""
        scope = " for this rule" if self.ban_scope == "rule" else ""
        ban = f", ban {quantities.spell(self.ban_s)}{scope}" if self.ban_s else ""
        shape = ", shaped" if self.shape else ""
        return f"limit {self.rate} per {self.per.words}{shape}{ban}"

    def document(self) -> dict[str, Any]:
        """Give the key of the rule."""
        burst = f"{self.burst}bit" if self.rate.bits else self.burst
        limit: dict[str, Any] = {"rate": str(self.rate), "burst": burst, "per": self.per.words}
        if self.ban_s is not None:
            limit |= {"ban": int(self.ban_s), "ban_scope": self.ban_scope}
        if self.shape:
            limit["shape"] = True
        return {"limit": limit | {"exact": self.exact, "keys": self.keys}}

    def misplaced(self, hooks: Collection[Hook]) -> Iterator[tuple[str, str]]:
        """Refuse bans at egress, and cgroups and shaping at all other hooks."""
        if "egress" in hooks and self.ban_s is not None:
            cure = 'leave it out, or limit what comes in: hook = "tc_ingress"'
            yield "ban", f"at egress it would ban our own addresses ({cure})"
        if set(hooks) == {"egress"}:
            return
        if self.per.cgroup:
            message = f'"{self.per.words}" is for egress: what comes in has no cgroup yet'
            yield "per", f'{message} (write hook = "egress")'
        if self.shape:
            yield "shape", 'only what leaves can wait (write hook = "egress")'

    @property
    def starves(self) -> str:
        """Say why TCP starves at the hooks of TC, where packets are not segmented yet; or ""."""
        if not self.rate.bits or self.burst >= GSO_BITS:
            return ""
        bits = max(_DEFAULT_BITS, self.rate.count // self.rate.unit_s // _RTT)
        cure = f'write at least "{-(-bits // 8000)}kbyte"'
        return f"less than one packet of 64 KiB before segmentation: TCP starves ({cure})"


def _mask(bits: int, *, v4: bool) -> dict[str, int]:
    mask = Prefix.around((1 << ADDRESS_BITS) - 1, bits + _IPV4_BITS * v4).address if bits else 0
    return {"hi": mask >> 64, "lo": mask & _LOW}


def read(rule: Table) -> Limit | None:
    """Take ``limit`` from *rule*; None if it is invalid; the errors are recorded."""
    table = rule.table("limit", 'limit = { rate = "100/s", per = "src" }')
    rate = table.one("rate", Rate.read, None)
    per = table.one("per", Per.read, None)
    for key, such_as in (("rate", '"100/s"'), ("per", _PER_SUCH_AS)):
        if key not in table:
            table.wrong(key, f"a limit without `{key}` (write {key} = {such_as})")
    burst = _burst(table, rate)
    ban_s = table.one("ban", quantities.duration, None)
    scope = table.one("ban_scope", choice("rule", "all"), "all")
    exact = table.one("exact", flag, default=False)
    keys = table.one("keys", _keys, KEYS)
    shape = table.one("shape", flag, default=False)
    if shape and rate and not rate.bits:
        cure = 'write rate = "100mbit"'
        table.wrong("shape", f"a rate in packets is not shaped, only one in bits ({cure})")
    if shape and "ban" in table:
        table.wrong("ban", "what waits its turn does nothing wrong (leave out ban, or shape)")
    if "ban" in table and per and not any(per.src):
        cure = 'it bans sources: write per = "src"'
        table.wrong("ban", f"a ban by a limit per {per.words} ({cure})")
    if "ban_scope" in table and "ban" not in table:
        table.wrong("ban_scope", 'a scope without a ban (write ban = "5min")')
    table.done()
    if rate is None or per is None or burst is None:
        return None
    return Limit(
        rate=rate,
        burst=burst,
        per=per,
        ban_s=ban_s,
        ban_scope=scope,
        exact=exact,
        keys=keys,
        shape=shape,
    )


def _burst(table: Table, rate: Rate | None) -> int | None:
    if rate is None:
        table.take("burst")
        return None
    read = quantities.bits if rate.bits else quantities.packets
    usual = max(rate.count, _DEFAULT_BITS) if rate.bits else rate.count
    burst = table.one("burst", read, None if "burst" in table else usual)
    if burst is None:
        return None
    if rate.bits and burst < _FRAME_BITS:
        cure = f'write at least "{-(-_FRAME_BITS // 1000)}kbit"'
        table.wrong("burst", f"{burst} bits are less than a full frame, so none passes ({cure})")
    if burst * rate.unit_s > BURST_MOST_S * rate.count:
        hours = burst * rate.unit_s / rate.count / 3600
        cure = "at most 24 h: raise the rate or lower the burst"
        table.wrong("burst", f"takes {hours:.0f} h to come back ({cure})")
    return burst


def _keys(value: Any) -> int:
    count = quantities.packets(value)
    if count > KEYS_MOST:
        raise RequestError(f"{shown(value)}: too many keys (at most {KEYS_MOST})")
    return count


RULE_KEYS: Final = {"limit": Key(read, (Limit,))}
