"""Plain buffers instead of BPF maps, a naive twin of the set tables, and prefixes to try."""

from dataclasses import dataclass

from hypothesis import strategies as st

from wirepath.native import lib
from wirepath.net import Prefix
from wirepath.prefixes import ClassTable, SetMemory, Tables, lookup

IPV4 = 0xFFFF << 32
LAST = (1 << 128) - 1
HOST_SEED = 0x5EED_0123_4567_89AB
IPV4_HOST_LINES = 2048  # the fewest
_WORD = 1 << 32


def structs(ctype: str, count: int) -> bytearray:
    return bytearray(count * getattr(lib, f"wp_{ctype}_size"))


@dataclass
class Slack:
    """How much spare room the buffers have beyond what the table needs."""

    lines: int = 1000
    leaves: int = 200
    fences: int = 200
    members: int = 1000
    classes: int = 500


def written(table: ClassTable) -> dict[str, bytearray]:
    memory = {
        "lines": structs("line", table.lines),
        "fences": structs("fence", table.fences),
        "leaves": structs("leaf", table.leaves),
        "prefix_head": structs("prefix_head", 1),
    }
    table.write(**memory)
    return memory


def set_memory(tables: Tables, slack: Slack) -> SetMemory:
    memory = SetMemory(
        lines=structs("line", tables.lines + slack.lines),
        fences=structs("fence", 2 * (tables.fences + slack.fences)),
        leaves=structs("leaf", tables.leaves + slack.leaves),
        prefix_head=structs("prefix_head", 1),
        members=structs("member", tables.members + slack.members),
        set_classes=structs("set_class", tables.classes + slack.classes),
        set_head=structs("set_head", 1),
        root_bits=tables.root_bits,
        hosts=structs("host_line", tables.hosts),
        ipv4_hosts=structs("ipv4_host_line", tables.ipv4_hosts),
    )
    tables.write_hosts(hosts=memory.hosts)
    tables.write_ipv4_hosts(ipv4_hosts=memory.ipv4_hosts)
    tables.write(
        lines=memory.lines,
        fences=memory.fences,
        leaves=memory.leaves,
        prefix_head=memory.prefix_head,
    )
    tables.write_sets(
        members=memory.members, set_classes=memory.set_classes, set_head=memory.set_head
    )
    return memory


def hosts_of_line(line: int, count: int) -> list[Prefix]:
    """Make IPv4 hosts that all have their place in one line, with HOST_SEED and the fewest lines.

    This undoes the permutation of ``bpf/prefixes/ipv4_host_layout.h``.
    """
    low, high = HOST_SEED % _WORD | 1, HOST_SEED // _WORD
    found = []
    for mixed in range(line * _WORD // IPV4_HOST_LINES, line * _WORD // IPV4_HOST_LINES + count):
        folded = mixed * pow(0x9E3779B1, -1, _WORD) % _WORD ^ high
        unfolded = folded ^ folded >> 15 ^ folded >> 30
        found.append(Prefix(IPV4 | unfolded * pow(low, -1, _WORD) % _WORD, 128))
    return found


def naive_sets(members: set[tuple[Prefix, int]], address: int) -> int:
    sets = 0
    for prefix, number in members:
        if address in prefix:
            sets |= 1 << number
    return sets


class Lookup:
    """Looks up the sets of an address in a written table."""

    def __init__(self, tables: Tables) -> None:
        self.memory = written(tables)
        self.memory["hosts"] = structs("host_line", tables.hosts)
        tables.write_hosts(hosts=self.memory["hosts"])
        self.memory["ipv4_hosts"] = structs("ipv4_host_line", tables.ipv4_hosts)
        tables.write_ipv4_hosts(ipv4_hosts=self.memory["ipv4_hosts"])
        self.masks = tables.masks
        self.root_bits = tables.root_bits

    def __call__(self, address: int) -> int:
        return self.masks[lookup(address, root_bits=self.root_bits, **self.memory)]


def edges(members: set[tuple[Prefix, int]]) -> set[int]:
    """List both ends of every prefix, and the addresses just outside."""
    found = {0, 1, IPV4 - 1, IPV4, IPV4 + 0xFFFFFFFF, IPV4 + 0x100000000, LAST}
    for prefix, _ in members:
        found |= {prefix.address, prefix.last, (prefix.address + prefix.last) // 2}
        found |= {max(prefix.address - 1, 0), min(prefix.last + 1, LAST)}
    return found


# A few places where prefixes meet, nest and repeat, including the ends of both address spaces.
_IPV4_PLACES = st.sampled_from([0, 0x0A000000, 0x0A00FFF0, 0xC0A80101, 0xFFFFFFFF])
_IPV6_PLACES = st.sampled_from([0, 0xFFFE << 32, 1 << 48, 0x20010DB8 << 96, LAST])
_IPV4 = st.builds(
    lambda place, noise, bits: Prefix.around(IPV4 | (place ^ noise), 96 + bits),
    _IPV4_PLACES,
    st.integers(0, 0xFF) | st.integers(0, 0xFFFF) | st.integers(0, 0xFFFFFFFF),
    st.sampled_from([0, 1, 7, 8, 15, 16, 17, 20, 23, 24, 31, 32]) | st.just(32),
)
_IPV6 = st.builds(
    lambda place, noise, bits: Prefix.around(place ^ noise, bits),
    _IPV6_PLACES,
    st.integers(0, 0xFF) | st.integers(0, 0xFF).map(lambda n: n << 64),
    st.sampled_from([0, 1, 3, 32, 48, 63, 64, 65, 96, 127, 128]) | st.just(128),
).filter(lambda prefix: not prefix.is_ipv4)
# Hosts that share a line, more than it holds, and the nets around them.
_CROWD = st.builds(
    lambda host, bits: Prefix.around(host.address, bits),
    st.sampled_from(hosts_of_line(5, 30)),
    st.sampled_from([128, 128, 128, 127, 104]),
)
PREFIXES = _IPV4 | _IPV6 | _CROWD
SETS = st.sampled_from([0, 1, 2, 63])
MEMBERS = st.sets(st.tuples(PREFIXES, SETS), max_size=60)
