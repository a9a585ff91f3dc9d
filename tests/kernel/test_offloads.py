"""Offloads of a veth, as ethtool shows them."""

import subprocess

import pytest

from wirepath.errors import KernelError, RequestError
from wirepath.kernel import offloads
from wirepath.kernel.interface import Interface
from wirepath.kernel.offloads import Feature

pytestmark = pytest.mark.kernel
NAMES: dict[Feature, str] = {
    "tso": "tx-tcp-segmentation",  # the group stays "on" for a part that only netlink reaches
    "gso": "generic-segmentation-offload",
    "tx": "tx-checksumming",
    "gro": "generic-receive-offload",
}


def as_shown(feature: Feature) -> bool:
    shown = subprocess.run(["ethtool", "-k", "wp0"], check=True, capture_output=True, text=True)
    (line,) = (
        line for line in shown.stdout.splitlines() if line.strip().startswith(f"{NAMES[feature]}:")
    )
    return line.split()[1] == "on"


@pytest.mark.parametrize("feature", list(NAMES))
def test_off_and_on(veth: Interface, feature: Feature) -> None:
    for on in (False, True, False, False):
        offloads.put("wp0", feature, on=on)
        assert offloads.get("wp0", feature) is on
        assert as_shown(feature) is on


def test_fixed(netns: str) -> None:
    with pytest.raises(KernelError, match=r"^turn tx of lo off: .*\[EOPNOTSUPP\]$"):
        offloads.put("lo", "tx", on=False)


def test_by_the_kernels_names(veth: Interface) -> None:
    names = ["rx-vlan-hw-parse", "rx-gro-list", "rx-gro-hw", "no-such-feature"]
    assert offloads.are_on("wp0", names) == ["rx-vlan-hw-parse"]
    subprocess.run(["ethtool", "-K", "wp0", "rxvlan", "off"], check=True)
    assert offloads.are_on("wp0", names) == []
    offloads.turn_on("wp0", names)  # rx-gro-hw is fixed to off, and stays
    assert offloads.are_on("wp0", names) == ["rx-vlan-hw-parse", "rx-gro-list"]


@pytest.mark.parametrize("name", ["nope", "much-too-long-a-name"])
def test_no_such_interface(netns: str, name: str) -> None:
    with pytest.raises(RequestError, match=f"^{name}: no such interface"):
        offloads.get(name, "gro")
    with pytest.raises(RequestError, match=f"^{name}: no such interface"):
        offloads.are_on(name, ["rx-lro"])
    with pytest.raises(RequestError, match=f"^{name}: no such interface"):
        offloads.put(name, "gro", on=True)
