"""What an action needs of the host before its rule can judge packets."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The device that copies go to.

    Attributes:
        words: as the operator wrote it; the name of a device.
        kind: an interface of this host, or a tunnel.
        remote: the tunnel's other end; None for an interface.
        number: of the tunnel: a VNI, or the ID of an ERSPAN session.
    """

    words: str
    kind: Literal["device", "vxlan", "erspan"] = "device"
    remote: IPv4Address | IPv6Address | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A setting of the kernel must have one of some values.

    Attributes:
        name: as sysctl(8) has it: ``net.ipv4.tcp_syncookies``.
        values: the values that will do; wirepath sets the first.
    """

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fq:
    """The root qdisc of the interface must be fq, in which packets wait until they may leave."""


@dataclass(frozen=True, slots=True)
class Copies:
    """A device that copies are sent to must exist.

    Attributes:
        target: the device.
        truncated: whether copies are truncated there.
    """

    target: Target
    truncated: bool


@dataclass(frozen=True, slots=True)
class Unmoved:
    """No NAT rule of the host may give TCP packets of the rule another destination.

    Attributes:
        but: what the action does, which such a rule would contradict.
        cure: what the operator can do, other than remove the NAT rule.
    """

    but: str
    cure: str


Need = Sysctl | Fq | Copies | Unmoved
