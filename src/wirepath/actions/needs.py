"""What an action needs of the host: what has to be there before packets are judged by its rule."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where copies go.

    Attributes:
        words: as the operator wrote it; of a device its name.
        kind: an interface of this host, or a tunnel.
        remote: the tunnel's other end; None for an interface.
        number: the tunnel's: a VNI, or a session of ERSPAN.
    """

    words: str
    kind: Literal["device", "vxlan", "erspan"] = "device"
    remote: IPv4Address | IPv6Address | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A setting of the kernel has one of these values.

    Attributes:
        name: as sysctl(8) has it: ``net.ipv4.tcp_syncookies``.
        values: those that will do; the first is the one to set.
    """

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fq:
    """The root qdisc of the interface is fq, which lets packets wait until they may leave."""


@dataclass(frozen=True, slots=True)
class Copies:
    """The device that copies are sent to exists.

    Attributes:
        target: which.
        truncated: whether copies are truncated there.
    """

    target: Target
    truncated: bool


Need = Sysctl | Fq | Copies
