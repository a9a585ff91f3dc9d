"""Where a policy is to serve, and what may be changed there by the operator's word."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An interface and what may be changed around it.

    Attributes:
        iface: the interface, by the name that it was put up by.
        device: the name that it has now.
        sysctl: whether settings of the kernel may be changed.
        qdisc: whether the root qdisc may be replaced.
    """

    iface: str
    device: str
    sysctl: bool = False
    qdisc: bool = False
