"""The place of a policy: its interface, and what the operator allows to be changed there."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An interface and what may be changed around it.

    Attributes:
        iface: the name of the interface when it was put up.
        device: its current name.
        sysctl: whether kernel settings may be changed.
        qdisc: whether the root qdisc may be replaced.
        serving: whether the same policy serves already, and is only laid out anew.
    """

    iface: str
    device: str
    sysctl: bool = False
    qdisc: bool = False
    serving: bool = False
