"""The rules of nftables as the kernel has them, those of iptables-nft among them.

Rules are lists of expressions; `wirepath.kernel.nft_walk` follows them. The text of ``nft list`` is
of no use here: it needs the program, and leaves out what it does not know.

Source: linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from wirepath.kernel import nfnetlink
from wirepath.kernel.nfnetlink import items, number, text
from wirepath.kernel.rtnetlink import attributes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FAMILIES: Final = {1: "inet", 2: "ip", 10: "ip6"}
"""NFPROTO_* of the tables that packets of IPv4 and IPv6 meet, by the names of nft."""

_DOING: Final = "read the rules of nft"
_JUMP, _GOTO = -3, -4  # NFT_JUMP, NFT_GOTO
_INTERVAL_END, _CATCHALL = 1, 2  # NFT_SET_ELEM_*


class ChainName(NamedTuple):
    """A chain.

    Attributes:
        family: NFPROTO_* of its table.
        table: the table.
        chain: its name in the table.
    """

    family: int
    table: str
    chain: str

    def __str__(self) -> str:
        return f"{FAMILIES[self.family]} {self.table} {self.chain}"


class Base(NamedTuple):
    """A base chain, where the kernel begins.

    Attributes:
        hook: NF_INET_*.
        name: the chain.
    """

    hook: int
    name: ChainName


class Expression(NamedTuple):
    """One expression of a rule.

    Attributes:
        name: its kind: ``cmp``, ``redir``, ``target``.
        data: its attributes by number.
    """

    name: str
    data: dict[int, bytes]

    def register(self, attribute: int) -> int:
        """Give the place of a register, in units of 4 bytes; -1 if it is absent or the verdict."""
        register = number(self.data.get(attribute, b"\0"))
        if register >= 8:  # noqa: PLR2004 - NFT_REG32_00
            return register - 8
        return (register - 1) * 4 if register else -1

    def value(self, attribute: int) -> bytes:
        """Give the constant in *attribute*; empty if it has none."""
        return attributes(self.data.get(attribute, b"")).get(1, b"")


class Rule(NamedTuple):
    """One rule.

    Attributes:
        handle: its number in the table, as ``nft -a`` prints it.
        packed: its expressions.
    """

    handle: int
    packed: bytes

    def expressions(self) -> list[Expression]:
        """Unpack its expressions, in order."""
        return [
            Expression(text(item.get(1, b"")), attributes(item.get(2, b"")))
            for item in items(self.packed)
        ]


class Element(NamedTuple):
    """An element of a set or map.

    Attributes:
        low, high: the smallest and largest key that it stands for; None if it stands for any.
        target: the chain that a verdict map sends packets to; empty if none.
    """

    low: bytes | None
    high: bytes | None
    target: str


class Ruleset:
    """The rule set of one network namespace.

    Args:
        bases: the base chains.
        rules: by chain, its rules in order.
    """

    def __init__(
        self, bases: Iterable[Base] = (), rules: Mapping[ChainName, list[Rule]] | None = None
    ) -> None:
        self.bases = list(bases)
        self.rules = rules or {}
        self._sets: dict[tuple[int, str, str], list[Element]] = {}

    @classmethod
    def read(cls) -> Self:
        """Read the rules of the network namespace that the calling thread is in.

        Raises:
            KernelError: the kernel refuses.
        """
        rules: dict[ChainName, list[Rule]] = {}
        for family, packed in nfnetlink.dump(nfnetlink.GETRULE, doing=_DOING):
            if family in FAMILIES:
                found = attributes(packed)
                name = ChainName(family, text(found[1]), text(found[2]))
                rule = Rule(number(found[3]), found.get(4, b""))
                rules.setdefault(name, []).append(rule)
        if not rules:
            return cls()
        return cls(_bases(), rules)

    @cached_property
    def packed(self) -> bytes:
        """All rules as bytes, to tell fast that none has an expression of some name."""
        return b"".join(rule.packed for rules in self.rules.values() for rule in rules)

    def elements(self, chain: ChainName, name: str) -> list[Element]:
        """Give the elements of the set *name* in the table of *chain*."""
        key = (chain.family, chain.table, name)
        if key not in self._sets:
            self._sets[key] = _elements(*key)
        return self._sets[key]


def _bases() -> Iterator[Base]:
    for family, packed in nfnetlink.dump(nfnetlink.GETCHAIN, doing=_DOING):
        found = attributes(packed)
        if family in FAMILIES and 4 in found:  # noqa: PLR2004 - NFTA_CHAIN_HOOK
            name = ChainName(family, text(found[1]), text(found[3]))
            yield Base(number(attributes(found[4])[1]), name)


def target_of(data: bytes) -> str:
    """Give the chain that a verdict jumps or goes to; empty if it is another verdict."""
    verdict = attributes(attributes(data).get(2, b""))
    code = int.from_bytes(verdict.get(1, b"\0\0\0\0"), "big", signed=True)
    return text(verdict.get(2, b"")) if code in (_JUMP, _GOTO) else ""


def _elements(family: int, table: str, name: str) -> list[Element]:
    dumped = nfnetlink.dump(nfnetlink.GETSETELEM, family, doing=_DOING, table=table, set=name)
    singles: list[Element] = []
    starts: list[tuple[bytes, str]] = []
    ends: list[bytes] = []
    for _, packed in dumped:
        for item in items(attributes(packed).get(3, b"")):
            flags = number(item.get(3, b"\0"))
            key = attributes(item.get(1, b"")).get(1, b"")
            target = target_of(item.get(2, b""))
            if flags & _CATCHALL:
                singles.append(Element(None, None, target))
            elif flags & _INTERVAL_END:
                ends.append(key)
            elif 10 in item:  # noqa: PLR2004 - NFTA_SET_ELEM_KEY_END
                singles.append(Element(key, attributes(item[10]).get(1, b""), target))
            else:
                starts.append((key, target))
    if not ends:
        return [*singles, *(Element(key, key, target) for key, target in starts)]
    return [*singles, *_intervals(starts, sorted(ends))]


# A set of intervals lists where each begins, and the first key after it; none after the last key.
def _intervals(starts: list[tuple[bytes, str]], ends: list[bytes]) -> Iterator[Element]:
    at = 0
    for key, target in sorted(starts):
        while at < len(ends) and ends[at] <= key:
            at += 1
        if at < len(ends):
            last = (number(ends[at]) - 1).to_bytes(len(key), "big")
        else:
            last = b"\xff" * len(key)
        yield Element(key, last, target)
