"""What the driver of an interface gives, in words; only by looking at it."""

from dataclasses import asdict, dataclass
from typing import Any

from wirepath.kernel import features
from wirepath.kernel.interface import Interface
from wirepath.kernel.netlink import xdp_features


@dataclass(frozen=True)
class Driver:
    """What the driver of an interface gives.

    Attributes:
        iface: the interface.
        driver: its driver; None if it has none.
        native: whether it has native XDP; None if it does not say.
        says: the same in words, with what is in the way.
    """

    iface: str
    driver: str | None
    native: bool | None
    says: str

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return asdict(self)


def driver(name: str) -> Driver:
    """Look at interface *name* of this network namespace.

    Raises:
        RequestError: there is no such interface.
    """
    found = Interface.of(name)
    offered = xdp_features(found.index)
    native = None if offered is None else "basic" in offered
    who = f"driver {found.driver}" if found.driver else "no driver"
    says = f"{name} ({who}): {_WORDS[native]}"
    wrong = [f for f in features.interface(name) if f.ok is False and f.name != "native xdp"]
    says += "".join(f"; {finding.name}: {finding.detail}" for finding in wrong)
    return Driver(name, found.driver or None, native, says)


_WORDS = {
    True: "native XDP, so the rows `xdp native` and `wirepath` are of its kind",
    False: "no native XDP, so wirepath needs --mode generic: nearer to `xdp generic`",
    None: "does not say whether it has native XDP, before Linux 6.3; `wirepath up` tries",
}
