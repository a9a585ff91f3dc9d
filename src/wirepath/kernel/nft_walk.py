"""Follow packets through the rules of nft, to find those that do something to them.

The packets are known by ranges: an interface, ports, addresses. Rules that match on one of these
narrow them; any other condition counts as one that holds. So a rule that is found may in truth
match no such packet, and one that is not found matches none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from wirepath.kernel import nft_fields, xt_matches
from wirepath.kernel.nfnetlink import number, text
from wirepath.kernel.nft_fields import Part
from wirepath.kernel.ruleset import ChainName, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from wirepath.kernel.nft_fields import Known, Ranges
    from wirepath.kernel.ruleset import Expression, Ruleset

PREROUTING: Final = 0  # NF_INET_*
OUTPUT: Final = 3

_FAMILIES: Final = {4: (1, 2), 6: (1, 10)}  # NFPROTO_INET, then that of the packets
_KINDS_MAX: Final = 16  # of packets that one chain is walked with, before it is walked with all
_EQUAL, _NOT_EQUAL = 0, 1  # NFT_CMP_*, NFT_RANGE_*
_INVERTED: Final = 1  # NFT_LOOKUP_F_INV
_UNKNOWN: Final = Part("", 4, 0)
_UNLOADING: Final = frozenset({"cmp", "range", "lookup", "match", "target", "counter", "nat"})


class Found(NamedTuple):
    """A rule that was looked for, and some of the packets that it may match.

    Attributes:
        chain: its chain.
        handle: its number, as ``nft -a`` prints it.
        does: what it does to them, in a word.
        ports: their destination ports.
    """

    chain: ChainName
    handle: int
    does: str
    ports: Ranges


def walk(
    ruleset: Ruleset,
    hooks: Collection[int],
    family: int,
    packets: Known,
    does: Callable[[Expression], str],
) -> Iterator[Found]:
    """Find rules that may match packets.

    Args:
        ruleset: the rules.
        hooks: the hooks of netfilter that the packets come to: NF_INET_*.
        family: 4 or 6.
        packets: what is known of them.
        does: what an expression does to packets; empty if it is not looked for.
    """
    follower = _Follower(ruleset, family, packets, does)
    for hook, chain in sorted(ruleset.bases):
        if hook in hooks and chain.family in _FAMILIES[family]:
            yield from follower.chain(chain, packets)


class _Follower:
    def __init__(
        self, ruleset: Ruleset, family: int, packets: Known, does: Callable[[Expression], str]
    ) -> None:
        self._ruleset = ruleset
        self._family = family
        self._packets = packets
        self._does = does
        self._walked: dict[ChainName, list[Known]] = {}

    def chain(self, name: ChainName, known: Known) -> Iterator[Found]:
        walked = self._walked.setdefault(name, [])
        if len(walked) >= _KINDS_MAX:
            known = self._packets
        if known in walked or self._packets in walked:
            return
        walked.append(known)
        for rule in self._ruleset.rules.get(name, ()):
            expressions = rule.expressions()
            if any(map(self._matters, expressions)):
                yield from self._rule(name, rule.handle, expressions, known)

    def _matters(self, expression: Expression) -> bool:
        return bool(expression.name in ("immediate", "lookup") or self._does(expression))

    def _rule(
        self, name: ChainName, handle: int, expressions: list[Expression], packets: Known
    ) -> Iterator[Found]:
        known: Known | None = packets
        registers: dict[int, list[Part]] = {}
        for each in expressions:
            if known is None:
                return
            if does := self._does(each):
                yield Found(name, handle, does, known.get("dport", ()))
            elif each.name == "immediate" and (target := target_of(each.data.get(2, b""))):
                yield from self.chain(name._replace(chain=target), known)
            elif each.name == "lookup":
                known, sent = self._look_up(name, each, registers, known)
                for target, some in sent:
                    yield from self.chain(name._replace(chain=target), some)
            else:
                known = self._compare(each, registers, known)
            self._load(each, registers)

    # Notes what an expression loads into a register.
    def _load(self, each: Expression, registers: dict[int, list[Part]]) -> None:
        if each.name == "bitwise":
            before = registers.get(each.register(1), [_UNKNOWN])
            parts = nft_fields.masked(before, each.value(4), each.value(5))
            registers[each.register(2)] = parts
        elif each.name == "payload":
            base, offset, size = (number(each.data.get(n, b"\0")) for n in (2, 3, 4))
            registers[each.register(1)] = nft_fields.payload(base, offset, size, self._family)
        elif each.name == "meta":
            registers[each.register(1)] = nft_fields.meta(number(each.data.get(2, b"\0")))
        elif each.name == "byteorder":
            registers[each.register(2)] = [_UNKNOWN]
        elif each.name == "lookup":
            registers.pop(each.register(3), None)
        elif each.name not in _UNLOADING:
            registers.pop(each.register(1), None)

    def _compare(
        self, each: Expression, registers: dict[int, list[Part]], known: Known
    ) -> Known | None:
        if each.name == "match":
            name, info = text(each.data.get(1, b"")), each.data.get(3, b"")
            return xt_matches.narrow(known, name, info, self._family)
        if each.name == "cmp":
            low = high = each.value(3)
        elif each.name == "range":
            low, high = each.value(3), each.value(4)
        else:
            return known
        parts, op = registers.get(each.register(1), []), number(each.data.get(2, b"\0"))
        if op == _EQUAL:
            return nft_fields.narrow(known, parts, low, high, self._family)
        if op == _NOT_EQUAL:
            return nft_fields.exclude(known, parts, [(low, high)], self._family)
        return self._ordered(op, parts, low, known)

    def _ordered(self, op: int, parts: list[Part], value: bytes, known: Known) -> Known | None:
        if len(parts) != 1 or parts[0].field in ("", "iif"):
            return known
        bound, size = number(value), len(value)
        low, high = {  # NFT_CMP_LT and so on
            2: (0, bound - 1),
            3: (0, bound),
            4: (bound + 1, (1 << size * 8) - 1),
            5: (bound, (1 << size * 8) - 1),
        }[op]
        if not 0 <= low <= high < 1 << size * 8:
            return None
        ends = (low.to_bytes(size, "big"), high.to_bytes(size, "big"))
        return nft_fields.narrow(known, parts, *ends, self._family)

    # The packets that go on, and those that a verdict map sends to chains.
    def _look_up(
        self, name: ChainName, each: Expression, registers: dict[int, list[Part]], known: Known
    ) -> tuple[Known | None, list[tuple[str, Known]]]:
        elements = self._ruleset.elements(name, text(each.data.get(1, b"")))
        size = next((len(one.low) for one in elements if one.low), 0)
        parts = _key(registers, each.register(2), size)
        if number(each.data.get(5, b"\0")) & _INVERTED:
            gone = [(one.low, one.high) for one in elements if one.low and one.high]
            return nft_fields.exclude(known, parts, gone, self._family), []
        kinds: list[Known] = []
        sent: list[tuple[str, Known]] = []
        for one in elements:
            some: Known | None = known
            if one.low is not None and one.high is not None:
                some = nft_fields.narrow(known, parts, one.low, one.high, self._family)
            if some is None:
                continue
            kinds.append(some)
            if one.target:
                sent.append((one.target, some))
        if number(each.data.get(3, b"\1")) == 0:  # a verdict map: what it does not know goes on
            return known, sent
        return (nft_fields.either(kinds) if kinds else None), []


# The parts of a key of *size* bytes; each part begins at a multiple of 4.
def _key(registers: Mapping[int, list[Part]], at: int, size: int) -> list[Part]:
    parts: list[Part] = []
    while size > 0:
        here = registers.get(at, [_UNKNOWN])
        held = sum(part.size for part in here)
        padding = -held % 4
        parts += [*here, Part("", padding, 0)] if padding and size > held else here
        at += (held + padding) // 4
        size -= held + padding
    return parts
