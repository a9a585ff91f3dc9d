"""What this kernel and an interface can do, found by trying where that is harmless."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from errno import EPERM
from pathlib import Path
from typing import Any, Final

from wirepath.errors import KernelError
from wirepath.kernel import devices, stripping, tcx, virtio
from wirepath.kernel.handle import checked
from wirepath.kernel.interface import Interface
from wirepath.kernel.maps import Map
from wirepath.kernel.netlink import xdp_features, xdp_metadata
from wirepath.kernel.refusal import GENERIC, PAGE_MTU
from wirepath.kernel.veth import peer_of
from wirepath.native import lib

OLDEST: Final = (6, 1)
"""The Linux release below which nothing is promised."""

_ROOT: Final = "run it as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN"
_TURN_LRO_OFF: Final = frozenset({"vmxnet3"})  # drivers that do so for a program


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        name: what was checked, in a word or two.
        ok: None if the result is unknown, or neither good nor bad.
        detail: what was found.
        cure: what to do about it; empty if nothing is wrong.
    """

    name: str
    ok: bool | None
    detail: str
    cure: str = ""

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return asdict(self)


def system() -> list[Finding]:
    """Check this kernel. Changes nothing; in particular, mounts no bpffs."""
    return [_release(), _bpf(), _jit(), _xdp(), _frags(), _tcx(), _batch(), _bpffs()]


def interface(name: str) -> list[Finding]:
    """Check an interface of this network namespace without changing it.

    Raises:
        RequestError: there is no such interface.
        KernelError: the kernel refuses to describe it.
    """
    found = Interface.of(name)
    return [
        _driver(found),
        *_native(found),
        *_place(found),
        *_peer(found),
        Finding("mtu", ok=True, detail=f"{found.mtu}"),
        queues(found),
        lro(found),
        _tags(found),
        _occupied(found),
    ]


def missing() -> str:
    """Say why this process cannot load programs, with the cure; empty if it can."""
    for finding in (_bpf(), _xdp()):
        if not finding.ok:
            return f"{finding.name}: {finding.detail} ({finding.cure})"
    return ""


def binds(ifindex: int, *, frags: bool) -> bool:
    """Tell whether a program that passes all frames can be loaded for the driver of *ifindex*.

    Args:
        ifindex: an interface of this network namespace.
        frags: whether the program takes frames in several buffers.
    """
    probe: int = lib.wp_probe_bound(ifindex, frags)
    if probe >= 0:
        os.close(probe)
    return probe >= 0


def _release() -> Finding:
    release = os.uname().release
    new = tuple(int(part) for part in release.split("-")[0].split(".")[:2]) >= OLDEST
    oldest = ".".join(map(str, OLDEST))
    return Finding("kernel", new, f"Linux {release}", "" if new else f"use Linux {oldest} or newer")


def _probe(name: str, result: int, able: str, cure: str) -> Finding:
    if result >= 0:
        os.close(result)
        return Finding(name, ok=True, detail=able)
    error = KernelError(name, -result)
    detail = str(error).removeprefix(f"{name}: ")
    return Finding(name, ok=False, detail=detail, cure=_ROOT if result == -EPERM else cure)


def _bpf() -> Finding:
    cure = "build the kernel with CONFIG_BPF_SYSCALL"
    return _probe("bpf", lib.wp_probe_array(), "maps can be made", cure)


def _xdp() -> Finding:
    cure = "build the kernel with CONFIG_NET and CONFIG_BPF_SYSCALL"
    return _probe("xdp", lib.wp_probe_xdp(False), "programs can be loaded", cure)  # noqa: FBT003


def _frags() -> Finding:
    cure = "use Linux 5.18 or newer: without it MTUs above a page do not attach"
    able = "frames in several buffers"
    return _probe("xdp.frags", lib.wp_probe_xdp(True), able, cure)  # noqa: FBT003


def _tcx() -> Finding:
    try:
        able = tcx.supported()
    except KernelError as error:
        cure = _ROOT if error.errno == EPERM else ""
        return Finding("tcx", ok=None, detail=os.strerror(error.errno), cure=cure)
    return Finding("tcx", ok=able or None, detail="yes" if able else "no: clsact is used")


def _jit() -> Finding:
    path = Path("/proc/sys/net/core/bpf_jit_enable")
    try:
        on = path.read_text().strip() != "0"
    except FileNotFoundError:
        # Only the initial network namespace has this sysctl.
        return Finding("jit", ok=None, detail="not visible from this network namespace")
    except PermissionError:
        return Finding("jit", ok=None, detail="not readable", cure=_ROOT)
    cure = (
        "" if on else "`sysctl net.core.bpf_jit_enable=1`: interpreted programs are 5 times slower"
    )
    return Finding("jit", on, "on" if on else "off", cure)


def _batch() -> Finding:
    try:
        with Map(checked(lib.wp_probe_array(), "make a map")) as probe:
            list(probe.raw_batches())
    except KernelError as error:
        cure = _ROOT if error.errno == EPERM else "use Linux 5.6 or newer"
        return Finding("batches", ok=False, detail=str(error), cure=cure)
    return Finding("batches", ok=True, detail="many map entries a call")


def _bpffs() -> Finding:
    path = os.environ.get("WIREPATH_BPFFS", "/sys/fs/bpf")
    if lib.wp_is_bpffs(os.fsencode(path)) == 1:
        return Finding("bpffs", ok=True, detail=f"mounted at {path}")
    return Finding("bpffs", ok=None, detail=f"not mounted at {path}; `wirepath up` mounts it")


def _driver(found: Interface) -> Finding:
    state = "up" if found.up else "down"
    return Finding("driver", ok=None, detail=f"{found.driver or 'none'}, {state}")


def _native(found: Interface) -> Iterator[Finding]:
    features = xdp_features(found.index)
    if features is None:
        detail = "the driver does not tell before Linux 6.3"
        yield Finding("native xdp", ok=None, detail=detail, cure="try `wirepath up`")
    elif "basic" not in features:
        yield Finding("native xdp", ok=False, detail="the driver has none", cure=GENERIC)
        return
    else:
        yield Finding("native xdp", ok=True, detail=", ".join(sorted(features)))
        if "rx_sg" not in features and found.mtu > PAGE_MTU:
            detail = f"MTU {found.mtu}, and the driver has no XDP for frames in several buffers"
            cure = f"`ip link set {found.name} mtu 1500`"
            yield Finding("jumbo frames", ok=False, detail=detail, cure=cure)
    if (has := virtio.bits(found)) is not None:
        for detail, cure in filter(any, (virtio.blind(has), virtio.fixed(has))):
            yield Finding("offloads", ok=False, detail=detail, cure=cure)


def _place(found: Interface) -> Iterator[Finding]:
    among = devices.devices()
    for told in filter(
        None, (devices.missed(found.index, among), devices.passed_by(found.index, among))
    ):
        detail, _, cure = told.rpartition(" (")
        yield Finding("place", ok=None, detail=detail, cure=cure.removesuffix(")"))


# Only a policy that answers needs a program at the peer, so its absence is not wrong.
def _peer(found: Interface) -> Iterator[Finding]:
    if not (peer := peer_of(found)):
        return
    if peer.takes_answers is None:
        yield Finding("veth peer", ok=None, detail="cannot be seen from here")
        return
    where = peer.name if peer.here else f"{peer.name} in another network namespace"
    if peer.takes_answers:
        yield Finding("veth peer", ok=True, detail=f"{where}, takes answers of XDP")
        return
    detail = f"{where}, without native XDP program: answers in native mode do not arrive"
    cure = "if the policy answers, attach a program there, or use --mode generic"
    yield Finding("veth peer", ok=None, detail=detail, cure=cure)


def queues(found: Interface) -> Finding:
    """Check whether every CPU can have a queue; offer no more queues than the card has."""
    cpus = len(os.sched_getaffinity(0))
    detail = f"{found.rx_queues} receive, {found.tx_queues} send, {cpus} CPUs"
    if not found.rx_queues:
        return Finding("queues", ok=None, detail="the driver tells none")
    if found.rx_queues >= cpus:
        return Finding("queues", ok=True, detail=detail)
    kind, most = ("combined", found.combined_max) if found.combined_max else ("rx", found.rx_max)
    if most <= found.rx_queues:
        return Finding("queues", ok=None, detail=f"{detail}; the card has no more")
    cure = f"`ethtool -L {found.name} {kind} {min(cpus, most)}`"
    return Finding("queues", ok=None, detail=detail, cure=cure)


def lro(found: Interface) -> Finding:
    """Check whether large receive offload would keep a program from being attached."""
    if found.lro and found.driver in _TURN_LRO_OFF:
        return Finding("lro", ok=None, detail="on; turned off while a program is attached")
    cure = f"`ethtool -K {found.name} lro off`" if found.lro else ""
    return Finding("lro", not found.lro, "on" if found.lro else "off", cure)


def _tags(found: Interface) -> Finding:
    if not (cure := stripping.advice(found, "native")):
        return Finding("vlan tags", ok=True, detail="in the frame")
    told = "vlan_tag" in xdp_metadata(found.index)
    detail = "stripped, seen in native mode only" if told else "stripped, not seen at ingress"
    return Finding("vlan tags", ok=None, detail=detail, cure=cure)


def _occupied(found: Interface) -> Finding:
    if not found.xdp_id:
        return Finding("xdp program", ok=True, detail="none attached")
    return Finding("xdp program", ok=None, detail=f"id {found.xdp_id}, {found.xdp_mode} mode")
