"""Random policies: every match key, lists, negation, sets, in any mixture."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from wirepath.errors import PolicyError
from wirepath.net import ADDRESS_BITS, DSCPS, Prefix
from wirepath.policy import Policy
from wirepath.policy.names import ICMP_TYPES, PROTOCOLS, TCP_FLAGS

# The prefixes that addresses come from: few, so that rules overlap and frames hit them.
BASES = (
    *(0xFFFF << 32 | base for base in (0x0A000000, 0xC6336400, 0xCB007107, 0x00000000, 0xFFFFFFFF)),
    *(0x2001_0DB8 << 96 | base for base in (0, 0xBAD << 80, 7 << 64)),
    0,
    (1 << ADDRESS_BITS) - 1,
)
_IPV4_LENGTHS = (32, 32, 32, 31, 30, 28, 24, 24, 20, 17, 16, 15, 12, 8, 1, 0)
_IPV6_LENGTHS = (128, 128, 128, 127, 120, 112, 97, 96, 95, 65, 64, 64, 63, 48, 33, 32, 29, 1, 0)
_PORTS = (0, 1, 22, 53, 80, 443, 1023, 1024, 40000, 65534, 65535)
_LIMITS = {"proto": 255, "vlan": 4095, "length": 65535, "ttl": 255, "dscp": 63}
_EDGES = {
    "proto": (0, 1, 6, 17, 43, 44, 47, 50, 58, 59, 60, 132, 255),
    "vlan": (0, 1, 2, 7, 100, 4094, 4095),
    "length": (0, 20, 28, 40, 48, 60, 100, 576, 1500, 9000, 65535),
    "ttl": (0, 1, 63, 64, 128, 254, 255),
    "dscp": (0, 1, 8, 46, 62, 63),
}
_NAMES = {"proto": tuple(PROTOCOLS), "dscp": tuple(DSCPS)}
_KINDS = (True, False, "first", "later")
_STATES = ("new", "invalid", ["established", "related"])


@dataclass
class Maker:
    """Draws policies.

    Attributes:
        random: the source of randomness.
        words: the maximal length of a list in a match.
        ports: how many ports besides the usual ones appear in rules.
        keys: match keys to choose from; all if empty.
        deciding: the share of rules that end the walk.
    """

    random: Random
    words: int = 3
    ports: int = 4
    keys: tuple[str, ...] = ()
    deciding: float = 0.5
    _sets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        drawn = (self.random.randrange(65536) for _ in range(self.ports))
        self._ports = (*_PORTS, *drawn)

    def policy(self, rules: int, sets: int = 2, prefixes: int = 5) -> Policy:
        """Draw a policy of at most *rules* rules; rules that contradict themselves are left out."""
        r = self.random
        self._sets = [f"set{number}" for number in range(sets)]
        values: dict[str, Any] = {
            "datapath": {
                "default": r.choice(("pass", "drop")),
                "fragments": r.choice(("pass", "pass", "drop")),
                "malformed": r.choice(("drop", "pass")),
                "never_block": [str(self.prefix()) for _ in range(r.choice((0, 0, 1, 2)))],
            },
            "set": {
                name: {"prefixes": [str(self.prefix()) for _ in range(r.randint(0, prefixes))]}
                for name in self._sets
            },
        }
        made = [self._rule(number) for number in range(rules)]
        values["rule"] = [rule for rule in made if _possible(rule, values["set"])]
        return Policy.from_document(values)

    def prefix(self) -> Prefix:
        """Draw a prefix near one of BASES."""
        r = self.random
        address = self.address()
        if address >> 32 == 0xFFFF:
            return Prefix.around(address, 96 + r.choice(_IPV4_LENGTHS))
        prefix = Prefix.around(address, r.choice(_IPV6_LENGTHS))
        # Policies cannot have IPv6 prefixes within the mapped IPv4 addresses.
        return prefix if not prefix.is_ipv4 else Prefix.around(address, ADDRESS_BITS)

    def address(self) -> int:
        """Draw an address near one of BASES."""
        r = self.random
        base = r.choice(BASES)
        if base >> 32 == 0xFFFF:
            return base ^ r.getrandbits(r.choice((1, 4, 8, 12, 16)))
        near = base ^ (r.getrandbits(r.choice((1, 4, 8))) << r.choice((0, 0, 56, 64, 88)))
        return base if near >> 32 == 0xFFFF else near

    def _rule(self, number: int) -> dict[str, Any]:
        r = self.random
        keys = self.keys or _fitting_keys(r)
        match = {key: self._words(key) for key in keys}
        if "ct" in match and r.random() < 0.3:
            match["ct_zone"] = 7
        rule: dict[str, Any] = {"name": f"r{number}", "match": match}
        if r.random() < self.deciding:
            rule["action"] = r.choice(("pass", "drop"))
        return rule

    def _words(self, key: str) -> Any:
        r = self.random
        draw = {
            "src": self._address_word,
            "dst": self._address_word,
            "tcp_flags": self._flags_word,
            "icmp_type": self._icmp_word,
        }.get(key, lambda: self._number_word(key))
        if key == "fragment":
            return r.choice(_KINDS)
        if key == "ct":
            return r.choice(_STATES)
        words = [draw() for _ in range(r.randint(1, self.words))]
        return words if len(words) > 1 else words[0]

    def _address_word(self) -> str:
        r = self.random
        word = f"@{r.choice(self._sets)}" if self._sets and r.random() < 0.3 else str(self.prefix())
        return f"!{word}" if r.random() < 0.3 else word

    def _flags_word(self) -> str:
        r = self.random
        if r.random() < 0.3:
            return r.choice(("syn", "null"))
        names = r.sample(tuple(TCP_FLAGS), r.randint(1, 3))
        return "+".join(r.choice(("", "!")) + name for name in names)

    def _icmp_word(self) -> int | str:
        r = self.random
        if r.random() < 0.5:
            return r.choice(tuple(ICMP_TYPES))
        return self._range(r.choice((0, 3, 8, 128, 133, 255)), 255)

    def _number_word(self, key: str) -> int | str:
        r = self.random
        if key.endswith("port"):
            return self._range(r.choice(self._ports), 65535)
        if key in _NAMES and r.random() < 0.5:
            return r.choice(_NAMES[key])
        return self._range(r.choice(_EDGES[key]), _LIMITS[key])

    def _range(self, at: int, limit: int) -> int | str:
        r = self.random
        if r.random() < 0.6:
            return at
        low = max(0, at - r.choice((0, 1, 20)))
        return f"{low}-{min(limit, at + r.choice((0, 1, 20)))}"


def _fitting_keys(r: Random) -> tuple[str, ...]:
    # Keys that a packet can have together; ports together with icmp_type would never match.
    keys = {key for key in ("src", "dst") if r.random() < 0.4}
    keys |= {
        key for key in ("vlan", "length", "ttl", "dscp", "fragment", "ct") if r.random() < 0.12
    }
    kind = r.choice(("none", "ports", "ports", "flags", "icmp", "proto"))
    if kind in ("ports", "flags"):
        keys |= {key for key in ("sport", "dport", "port") if r.random() < 0.4}
    keys |= {"flags": {"tcp_flags"}, "icmp": {"icmp_type"}, "proto": {"proto"}}.get(kind, set())
    return tuple(sorted(keys))


def _possible(rule: dict[str, Any], sets: dict[str, Any]) -> bool:
    try:
        Policy.from_document({"set": sets, "rule": [rule]})
    except PolicyError:
        return False
    return True
