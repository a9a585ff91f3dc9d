"""Why an interface refuses a program: each state as kernels and hypervisors have shown it."""

from errno import EBUSY, EEXIST, EINVAL, ENOMEM, EOPNOTSUPP, ERANGE

import pytest

from wirepath.kernel import features, virtio
from wirepath.kernel.devices import Device
from wirepath.kernel.features import Finding
from wirepath.kernel.interface import Interface
from wirepath.kernel.refusal import Known, explain

BASIC = frozenset({"basic", "redirect"})
ALL = BASIC | {"rx_sg"}
MERGEABLE, GUEST_TSO, CONTROLLED = frozenset({15}), frozenset({1, 7, 8, 10}), frozenset({2})

BOND = Device(5, "bond0", "bond", bond_mode="802.3ad")
SLAVES = (Device(2, "eth0", master=5), Device(3, "eth1", master=5))
PROGRAM = 4_000_000_000  # an ID that no program has


def interface(driver: str = "virtio_net", **known: object) -> Interface:
    values = {
        "name": "eth0", "index": 2, "up": True, "mtu": 1500, "driver": driver, "rx_queues": 1,
        "tx_queues": 1, "lro": False, "xdp_id": 0, "xdp_mode": "none", "arphrd": 1,
    }  # fmt: skip
    return Interface(**(values | known))  # type: ignore[arg-type]


CASES: list[tuple[str, int, str, Known, str]] = [
    (
        "taken",
        EBUSY,
        "native",
        Known(interface=interface(xdp_id=PROGRAM, xdp_mode="native")),
        f"XDP program id {PROGRAM} is there already, in native mode (take it off first)",
    ),
    (
        "the driver has none",
        EOPNOTSUPP,
        "native",
        Known(interface=interface("e1000e"), features=frozenset()),
        "driver e1000e has no native XDP (use --mode generic, which is slower)",
    ),
    (
        "no card takes programs",
        EOPNOTSUPP,
        "offload",
        Known(interface=interface("e1000e"), features=frozenset()),
        "driver e1000e has no offload XDP ()",
    ),
    (
        "virtio, ctrl_guest_offloads=off",
        EOPNOTSUPP,
        "native",
        Known(interface=interface(), features=ALL, virtio=MERGEABLE | GUEST_TSO),
        (
            "the hypervisor has fixed receive offloads, which virtio_net has to turn off for XDP"
            " (use --mode generic, or have the hypervisor set ctrl_guest_offloads=on)"
        ),
    ),
    (
        "virtio, for another reason",
        EOPNOTSUPP,
        "native",
        Known(interface=interface(), features=ALL, virtio=MERGEABLE | GUEST_TSO | CONTROLLED),
        (
            "driver virtio_net has native XDP, but not with the settings of this interface"
            " (see `wirepath doctor eth0`, or use --mode generic)"
        ),
    ),
    (
        "vmxnet3, MTU 9000",
        EOPNOTSUPP,
        "native",
        Known(interface=interface("vmxnet3", mtu=9000), features=BASIC),
        "MTU 9000 is too large for driver vmxnet3 (lower it: `ip link set eth0 mtu 1500`)",
    ),
    (
        "virtio of Linux 6.1, MTU 9000",
        EINVAL,
        "native",
        Known(interface=interface(mtu=9000), virtio=MERGEABLE | CONTROLLED),
        "MTU 9000 is too large for driver virtio_net (lower it: `ip link set eth0 mtu 1500`)",
    ),
    (
        "an unknown driver of Linux 6.1, MTU 9000",
        EOPNOTSUPP,
        "native",
        Known(interface=interface("vmxnet3", mtu=9000)),
        (
            "driver vmxnet3 has no native XDP, or none at MTU 9000"
            " (use --mode generic, or `ip link set eth0 mtu 1500`)"
        ),
    ),
    (
        "loopback of Linux 6.1, which has no driver",
        EOPNOTSUPP,
        "native",
        Known(interface=interface("", mtu=65536)),
        "driver unknown has no native XDP (use --mode generic, which is slower)",
    ),
    (
        "MTU, as most drivers say it",
        ERANGE,
        "native",
        Known(interface=interface("veth", mtu=9000), features=ALL),
        "MTU 9000 is too large for driver veth (lower it: `ip link set eth0 mtu 1500`)",
    ),
    (
        "LRO",
        EINVAL,
        "native",
        Known(interface=interface("ixgbe", lro=True), features=BASIC),
        "large receive offload is on (turn it off: `ethtool -K eth0 lro off`)",
    ),
    (
        "an unknown setting",
        EINVAL,
        "native",
        Known(interface=interface("mlx5_core"), features=ALL),
        " (see `wirepath doctor eth0`)",
    ),
    ("an unknown errno", ENOMEM, "native", Known(interface=interface()), " ()"),
    (
        "slave of a bond with a program",
        EEXIST,
        "native",
        Known(
            interface=interface(),
            among=(*SLAVES, Device(5, "bond0", "bond", bond_mode="802.3ad", xdp_id=PROGRAM)),
        ),
        (
            f"XDP program id {PROGRAM} is on bond bond0, which is above it"
            " (attach to bond0, or take the program off there)"
        ),
    ),
    (
        "VLAN with a program, on a bond, above its slave",
        EEXIST,
        "native",
        Known(
            interface=interface(),
            among=(*SLAVES, BOND, Device(6, "bond0.7", "vlan", below=5, xdp_id=PROGRAM)),
        ),
        (
            f"XDP program id {PROGRAM} is on vlan bond0.7, which is above it"
            " (attach to bond0.7, or take the program off there)"
        ),
    ),
    (
        "bond whose slave has a program",
        EOPNOTSUPP,
        "native",
        Known(
            interface=interface("bonding", name="bond0", index=5),
            features=BASIC,
            among=(BOND, SLAVES[0], Device(3, "eth1", master=5, xdp_id=PROGRAM)),
        ),
        f"XDP program id {PROGRAM} is on its slave eth1 (take it off eth1 first)",
    ),
    (
        "bond of a mode without XDP",
        EOPNOTSUPP,
        "native",
        Known(
            interface=interface("bonding", name="bond0", index=5),
            among=(*SLAVES, Device(5, "bond0", "bond", bond_mode="balance-alb")),
        ),
        (
            "a bond of mode balance-alb has no native XDP"
            " (use --mode generic, or mode 802.3ad or active-backup)"
        ),
    ),
    (
        "bond over cards without native XDP",
        EOPNOTSUPP,
        "native",
        Known(
            interface=interface("bonding", name="bond0", index=5),
            features=frozenset(),
            among=(*SLAVES, BOND),
        ),
        "driver bonding has no native XDP (use --mode generic, which is slower)",
    ),
]


@pytest.mark.parametrize(
    ("errno", "mode", "known", "told"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_explanation(errno: int, mode: str, known: Known, told: str) -> None:
    what, cure = explain(errno, mode, known)
    assert f"{what} ({cure})" == told


@pytest.mark.parametrize(
    ("bits", "why"),
    [
        (MERGEABLE | GUEST_TSO | CONTROLLED, ()),
        (frozenset(), ()),
        (CONTROLLED, ()),
        (MERGEABLE | GUEST_TSO, ("fixed",)),
        (frozenset({1}), ("fixed",)),
        (GUEST_TSO | CONTROLLED, ("blind",)),
        (GUEST_TSO, ("blind", "fixed")),
    ],
)
def test_features_of_virtio(bits: frozenset[int], why: tuple[str, ...]) -> None:
    found = {"blind": virtio.blind(bits), "fixed": virtio.fixed(bits)}
    assert tuple(name for name, (what, cure) in found.items() if what and cure) == why


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"rx_queues": 4}, Finding("queues", ok=True, detail="4 receive, 1 send, 4 CPUs")),
        (
            {"combined_max": 8},
            Finding(
                "queues", None, "1 receive, 1 send, 4 CPUs", cure="`ethtool -L eth0 combined 4`"
            ),
        ),
        (
            {"combined_max": 2},
            Finding(
                "queues", None, "1 receive, 1 send, 4 CPUs", cure="`ethtool -L eth0 combined 2`"
            ),
        ),
        (
            {"rx_max": 3},
            Finding("queues", None, "1 receive, 1 send, 4 CPUs", cure="`ethtool -L eth0 rx 3`"),
        ),
        (
            {"combined_max": 1},
            Finding("queues", None, "1 receive, 1 send, 4 CPUs; the card has no more"),
        ),
        ({"rx_queues": 0}, Finding("queues", None, "the driver tells none")),
    ],
)
def test_queues(monkeypatch: pytest.MonkeyPatch, known: dict[str, int], told: Finding) -> None:
    """No more are offered than the card has."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert features.queues(interface(**known)) == told


@pytest.mark.parametrize(
    ("driver", "on", "ok"),
    [("ixgbe", True, False), ("ixgbe", False, True), ("vmxnet3", True, None)],
)
def test_lro(driver: str, *, on: bool, ok: bool | None) -> None:
    """It is no fault where the driver turns it off by itself."""
    found = features.lro(interface(driver, lro=on))
    assert found.ok is ok
    assert bool(found.cure) is (ok is False)
