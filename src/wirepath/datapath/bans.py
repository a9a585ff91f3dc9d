"""Bans: sources that are dropped ahead of every rule, until they expire.

The table is the data plane's (``bpf/guard.h``): expiry is judged there, so a ban holds and ends
without any process. Here they are set, lifted, listed and swept.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from errno import E2BIG
from typing import TYPE_CHECKING, Any, Final

from wirepath.errors import KernelError
from wirepath.net import Ban, Prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from contextlib import AbstractContextManager

    from wirepath.datapath.manifest import Manifest
    from wirepath.kernel.maps import Map

NEVER_NS: Final = (1 << 64) - 1
_LOW: Final = (1 << 64) - 1
_KEY_WORDS: Final = 3  # hi, lo, bits and scope


@dataclass(frozen=True, slots=True)
class BanEntry:
    """One ban in force.

    Attributes:
        prefix: who is banned.
        rule: whose limit imposed it; None if an operator did.
        scope: the rule that it is for; None if it is for all packets.
        remaining_s: until it ends; None if it does not.
        packets, bytes: that it dropped.
    """

    prefix: Prefix
    rule: str | None
    scope: str | None
    remaining_s: float | None
    packets: int
    bytes: int

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return {
            "prefix": str(self.prefix),
            "rule": self.rule,
            "scope": self.scope,
            "remaining_s": self.remaining_s,
            "packets": self.packets,
            "bytes": self.bytes,
        }


class Bans:
    """The bans of one datapath.

    Args:
        maps: by C name.
        manifest: of what serves.
        changing: gives the operator's lock.
    """

    def __init__(
        self,
        maps: Mapping[str, Map],
        manifest: Manifest,
        changing: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._table = maps["bans"]
        self._lengths = Lengths(maps["ban_lengths"])
        self._manifest = manifest
        self._changing = changing

    @property
    def room(self) -> int:
        """How many fit."""
        return self._table.max_entries

    @property
    def refused(self) -> int:
        """How many bans of limits have found the table full."""
        return self._lengths.refused

    def add(self, prefix: Prefix, for_s: float | None = None) -> None:
        """Ban *prefix* for some seconds from now, or until `remove`; an older ban is replaced.

        Raises:
            KernelError: the table is full, even without those that have expired.
        """
        self.add_all([prefix], for_s)

    def add_all(self, prefixes: Collection[Prefix], for_s: float | None = None) -> None:
        """Ban many at once, as `add`.

        Raises:
            KernelError: the table is full; says how many were banned before.
        """
        now = time.monotonic_ns()
        expires = NEVER_NS if for_s is None else min(now + int(for_s * 1e9), NEVER_NS)
        value = self._table.value.pack(
            {"expires_ns": expires, "since_ns": now, "packets": 0, "bytes": 0, "rule": 0}
        )
        keys = b"".join(self._table.key.pack(_key(prefix)) for prefix in prefixes)
        with self._changing():
            self._lengths.expect({prefix.bits for prefix in prefixes})
            self._lengths.mark()
            try:
                self._table.raw_update_batch(keys, value * len(prefixes))
            except KernelError as error:
                if error.errno != E2BIG or not self._sweep():
                    raise
                self._table.raw_update_batch(keys, value * len(prefixes))

    def remove(self, prefix: Prefix) -> bool:
        """Lift the bans of exactly *prefix*, for all packets and for those of single rules.

        Returns:
            Whether there was one in force.
        """
        now = time.monotonic_ns()
        with self._changing():
            keys = [key for scope in self._scopes() if (key := _key(prefix, scope)) in self._table]
            expiries = [self._table[key]["expires_ns"] for key in keys]
            for key in keys:
                del self._table[key]
            if keys:
                self._recount()
        return any(expires > now for expires in expiries)

    def all(self) -> list[BanEntry]:
        """List those in force, by address."""
        now, rules = time.monotonic_ns(), self._rules()
        entries = [
            BanEntry(
                prefix,
                rules.get(ban["rule"]),
                rules.get(scope),
                None if ban["expires_ns"] == NEVER_NS else (ban["expires_ns"] - now) / 1e9,
                ban["packets"],
                ban["bytes"],
            )
            for prefix, scope, ban in self._items()
            if ban["expires_ns"] > now
        ]
        return sorted(entries, key=lambda entry: entry.prefix)

    def around(self, prefix: Prefix) -> list[Prefix]:
        """List the bans in force that hold for all of *prefix*, the widest first."""
        now = time.monotonic_ns()
        wider = {bits for bits in self._lengths.probed() if bits <= prefix.bits}
        found = []
        for outer in (Prefix.around(prefix.address, bits) for bits in sorted(wider)):
            ban = self._table.get(_key(outer)) if outer.covers(prefix) else None
            if ban is not None and ban["expires_ns"] > now:
                found.append(outer)
        return found

    def for_model(self) -> Iterator[Ban]:
        """Yield them as the model has them."""
        rules = self._rules()
        for prefix, scope, ban in self._items():
            yield Ban(prefix, ban["expires_ns"], rules.get(ban["rule"]), rules.get(scope))

    def _scopes(self) -> list[int]:
        limits = {rule["name"]: rule.get("limit", {}) for rule in self._manifest.policy["rule"]}
        scoped = [name for name, limit in limits.items() if limit.get("ban_scope") == "rule"]
        return [0, *(self._manifest.counters[name] + 1 for name in scoped)]

    # As bans have them, plus 1, so that 0 is none.
    def _rules(self) -> dict[int, str]:
        return {slot + 1: name for name, slot in self._manifest.counters.items()}

    def used(self) -> int:
        """Count the entries, expired ones that nobody has swept included."""
        size = self._table.key_size
        return sum(len(keys) // size for keys, _ in self._table.raw_batches())

    def sweep(self) -> int:
        """Remove those that have expired.

        Returns:
            How many there were.
        """
        with self._changing():
            return self._sweep()

    def _sweep(self) -> int:
        now = time.monotonic_ns()
        gone = [
            self._table.key.pack(_key(prefix, scope))
            for prefix, scope, ban in self._items()
            if ban["expires_ns"] <= now
        ]
        self._table.raw_delete_batch(b"".join(gone))
        self._recount()
        return len(gone)

    def _items(self) -> Iterator[tuple[Prefix, int, dict[str, int]]]:
        for key, ban in self._table.items():
            address = key["addr"]
            yield Prefix(address["hi"] << 64 | address["lo"], key["bits"]), key["scope"], ban

    def _recount(self) -> None:
        listed, used = set(self._lengths.probed()), set[int]()
        for keys, _ in self._table.raw_batches():  # the first few have every length, most often
            used.update(memoryview(keys).cast("Q")[_KEY_WORDS - 1 :: _KEY_WORDS])
            if listed <= used:  # a word is the length alone where the scope above it is none
                return
        every = listed & used
        self._lengths.keep(every | set(self._manifest.ban_lengths), any_set=bool(every))


class Lengths:
    """The prefix lengths that packets probe for bans: ``ban_lengths``.

    Each is written before it is counted, and taken out of the count before it is overwritten, so
    that no packet misses one that is in use.
    """

    def __init__(self, of: Map) -> None:
        self._map = of

    @property
    def refused(self) -> int:
        """How many bans of limits have found the table full."""
        return int(self._map[0]["refused"])

    def probed(self) -> list[int]:
        """Give those that packets probe."""
        value = self._map[0]
        return list(value["bits"][: value["count"]])

    def mark(self) -> None:
        """Note that user space sets bans."""
        self._store("set", 1)

    def expect(self, lengths: Collection[int]) -> None:
        """Have packets probe *lengths* too."""
        probed = self.probed()
        count = len(probed)
        for bits in sorted(set(lengths) - set(probed)):
            self._store_length(count, bits)
            count += 1
            self._store("count", count)

    def keep(self, used: Collection[int], *, any_set: bool) -> None:
        """Probe none but *used* any more."""
        listed = self.probed()
        for place in range(len(listed) - 1, -1, -1):
            if listed[place] not in used:
                listed[place] = listed[-1]
                self._store_length(place, listed[-1])
                listed.pop()
                self._store("count", len(listed))
        self._store("set", int(any_set))

    def _store_length(self, place: int, bits: int) -> None:
        offset, _ = self._member("bits")
        with self._map.memory() as memory:
            memory[offset + place] = bits

    def _store(self, name: str, value: int) -> None:
        offset, size = self._member(name)
        with self._map.memory() as memory:
            memory[offset : offset + size].cast("I")[0] = value

    def _member(self, name: str) -> tuple[int, int]:
        # Where a member of struct ban_lengths lies, and its size.
        offset, layout = self._map.btf.record("struct ban_lengths").members[name]
        return offset, layout.size


def _key(prefix: Prefix, scope: int = 0) -> dict[str, Any]:
    address = {"hi": prefix.address >> 64, "lo": prefix.address & _LOW}
    return {"addr": address, "bits": prefix.bits, "scope": scope}
