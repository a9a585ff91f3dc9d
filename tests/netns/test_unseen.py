"""Packets that an interface receives and our program never meets are told."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from harness.frames import IPv4, IPv6, Tcp, Udp
from harness.numbered import settle
from harness.pair import IFNAME, IPV4, Pair, run
from wirepath.cli import main
from wirepath.datapath import Datapath, device
from wirepath.errors import AttachError
from wirepath.kernel import virtio
from wirepath.kernel.interface import Interface, received
from wirepath.kernel.links import Mode
from wirepath.lab.netns import Namespace
from wirepath.policy import Policy

COUNT = '[[rule]]\nname = "all"\n'


def test_what_is_received_is_counted_in_every_mode(hosts: Pair, bpffs: Path) -> None:
    """Dropped packets too, so that the comparison of `status` holds."""
    drop = Policy.parse('[[rule]]\nname = "all"\nmatch = { proto = "icmp" }\naction = "drop"\n')
    for mode in ("native", "generic"):
        datapath = Datapath.up(IFNAME, drop, mode=mode)
        before = received(IFNAME)
        words = ("ping", "-q", "-f", "-c", "300", "-W", "1", IPV4[0])
        hosts.far.run(words, capture_output=True, check=False)
        assert received(IFNAME) - before >= 300
        assert datapath.counters().rules["all"].dropped >= 300
        assert datapath.status().warnings == ()
        datapath.down()
    assert received("none0") == 0


def test_packets_that_no_program_meets(hosts: Pair, bpffs: Path) -> None:
    """The interface counts them, and our program does not."""
    datapath = Datapath.up(IFNAME, Policy.parse(COUNT))
    run(hosts.far, "ping", "-q", "-f", "-c", "1500", IPV4[0])
    assert datapath.status().warnings == ()
    with datapath.reading() as handles:
        # As a driver does it that hands packets past XDP.
        totals = handles.maps["outcomes"]
        keys = bytes(4) + (1).to_bytes(4, "little") + (2).to_bytes(4, "little")
        totals.raw_update_batch(keys, bytes(3 * totals.stride))
    (warning,) = datapath.status().warnings
    assert warning.startswith("ingress: ")
    assert "packets were received, and none met our program (see `wirepath doctor wp0`" in warning
    datapath.down()


def put(host: Namespace, frame: bytes, proto: int = 0) -> None:
    """Send *frame* from *host*, which tells its kernel that it is of protocol *proto*."""
    with host.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((IFNAME, proto))
        raw.send(frame)


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_ip_without_the_header_of_the_link(hosts: Pair, bpffs: Path, mode: Mode) -> None:
    """At ingress bytes tell it; `apply` begins to count anew."""
    policy = Policy.parse(COUNT)
    with Datapath.up(IFNAME, policy, mode=mode).temporarily() as datapath:
        for packet in (IPv4() / Udp() / bytes(30), IPv6() / Tcp()):
            put(hosts.far, bytes(packet))
        settle(hosts.near)
        assert datapath.counters().hooks["ingress"].reasons["misread"].packets == 2
        (warning,) = datapath.status().warnings
        assert warning.startswith("ingress: 2 IP packets passed that no rule could read (attach")
        assert main(["status", "--check"]) == 1
        datapath.apply(policy)
        assert datapath.status().warnings == ()
        assert main(["status", "--check"]) == 0


def test_ip_by_the_kernel_but_not_by_its_bytes(hosts: Pair, bpffs: Path) -> None:
    """At TC the kernel's own view of the packet tells it."""
    policy = Policy.parse('[[rule]]\nname = "all"\nhook = ["tc_ingress", "egress"]\n')
    with Datapath.up(IFNAME, policy).temporarily() as datapath:
        put(hosts.near, bytes(12) + b"\x88\xb5" + bytes(46))
        run(hosts.near, "ping", "-c", "1", IPV4[1])  # ARP and IP are neither
        assert datapath.status().warnings == ()
        put(hosts.near, bytes(12) + b"\x88\xb5" + bytes(46), proto=0x0800)
        (warning,) = datapath.status().warnings
        assert warning.startswith("egress: 1 IP packet passed that no rule could read")


@pytest.mark.parametrize(
    ("bits", "refused"),
    [
        ({15, 7, 8}, False),  # mergeable buffers
        (set(), False),  # no merged packets
        ({7}, True),
        ({8, 1}, True),
        ({10}, True),
    ],
)
def test_virtio_without_mergeable_buffers(
    bits: set[int], *, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = tmp_path / "eth0" / "device" / "features"
    features.parent.mkdir(parents=True)
    features.write_text("".join("1" if bit in bits else "0" for bit in range(64)) + "\n")
    (tmp_path / "eth0" / "ifindex").write_text("2\n")
    monkeypatch.setattr(virtio, "_SYSFS", tmp_path)
    interface = Interface(
        name="eth0", index=2, up=True, mtu=1500, driver="virtio_net", rx_queues=1, tx_queues=1,
        lro=False, xdp_id=0, xdp_mode="none", arphrd=1,
    )  # fmt: skip
    other = replace(interface, index=3)  # of that name, in another network namespace
    device.check_native(other)
    if not refused:
        device.check_native(interface)
        return
    with pytest.raises(AttachError, match=r"past XDP without mergeable .*mrg_rxbuf=on\)"):
        device.check_native(interface)


@pytest.mark.parametrize("kind", ["ifb", "vrf"])
def test_devices_whose_hooks_meet_nothing(hosts: Pair, kind: str) -> None:
    words = ["table", "10"] if kind == "vrf" else []
    made = hosts.near.run(
        ("ip", "link", "add", "odd0", "type", kind, *words), capture_output=True, check=False
    )
    if made.returncode:
        interface = Interface(
            name="odd0", index=2, up=True, mtu=1500, driver=kind, rx_queues=1, tx_queues=1,
            lro=False, xdp_id=0, xdp_mode="none", arphrd=1,
        )  # fmt: skip
        with pytest.raises(AttachError, match=f"attach odd0: {kind}: packets "):
            device.link_of(interface, Policy.parse(""))
        return
    with pytest.raises(AttachError, match=f"attach odd0: {kind}: packets "):
        Datapath.up("odd0", Policy.parse(""), mode="generic")
