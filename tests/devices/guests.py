"""Walk the table of devices in guests: ``python tests/devices/guests.py 6.1 6.12``.

Fetches the kernels as packages of Debian into ``build/kernels`` and unpacks them there. Each boots
once, with the cards of ``cells.CARDS`` on a bridge in a network namespace; what it prints goes to
``build/kernels/VERSION.log`` as it comes. Needs root, and QEMU, which emulates the CPU.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]

from devices.cells import CARDS, FAR_CARD  # noqa: E402 - found by the path above
from devices.making import CARD_MAC, FAR_CARD_MAC  # noqa: E402
from guest import run  # noqa: E402
from wirepath.lab.netns import Namespace  # noqa: E402

_CACHE: Final = ROOT / "build" / "kernels"
_PACKAGE: Final = r"^linux-image-{}\.[0-9.]+\S*-amd64-unsigned$"
_NEEDED: Final = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "wg": "wireguard-tools",
    "ethtool": "ethtool",
}
_MODULES: Final = (
    "veth", "tun", "sch_ingress", "cls_bpf", "8021q", "bonding", "bridge", "macvlan", "ipvlan",
    "wireguard", "ip_gre", "ipip", "sit", "ip6_tunnel", "vxlan", "ifb", "vrf", "macsec",
    "gcm", "ccm", "ctr", "ghash_generic", "aes_generic",
    "virtio_pci", "virtio_net", "vmxnet3", "e1000e",
)  # fmt: skip
_TOOLS: Final = ("wg", "ethtool")
_LIMIT_S: Final = 5400


def main() -> int:
    """Boot every kernel asked for; return 1 if a cell of one is not as the table says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kernels", nargs="+", help="releases, such as 6.1")
    parser.add_argument("--only", default="", help="beginnings of devices' names, comma-separated")
    parser.add_argument("--limit", type=int, default=_LIMIT_S, help="s a guest may take")
    asked = parser.parse_args()
    if missing := (_missing() and _installed()):
        print(f"guests: packages are missing, and cannot be installed: {' '.join(missing)}")
        return 1
    failed = 0
    for release in asked.kernels:
        kernel = _kernel(release)
        if not kernel:
            return 1
        begun = time.monotonic()
        log = _CACHE / f"{release}.log"
        with _cards() as (network, options):
            guest = run.Guest(
                kernel=kernel,
                file=ROOT / "tests/devices/inside.py",
                arguments=tuple(name for name in asked.only.split(",") if name),
                modules=_MODULES,
                tools=_TOOLS,
                qemu=("-smp", "1", *options),
                log=log,
                limit_s=asked.limit,
            )
            with network.entered():
                code = guest.run()
        print(f"{release}: exit {code} after {time.monotonic() - begun:.0f} s; {log}", flush=True)
        failed += code != 0
    return int(failed > 0)


def _missing() -> list[str]:
    return sorted(package for tool, package in _NEEDED.items() if not shutil.which(tool))


# Installs the packages that are missing; gives those that are missing still.
def _installed() -> list[str]:
    if not shutil.which("apt-get") or os.geteuid():
        return _missing()
    subprocess.run(
        ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *_missing()],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False,
    )  # fmt: skip
    return _missing()


# Gives the directory where the newest kernel of *release* is unpacked; None if it cannot be had.
def _kernel(release: str) -> Path | None:
    place = _CACHE / release
    if place.exists():
        return place
    _CACHE.mkdir(parents=True, exist_ok=True)
    pattern = _PACKAGE.format(re.escape(release))
    said = subprocess.run(
        ["apt-cache", "search", "--names-only", pattern], capture_output=True, text=True, check=True
    ).stdout
    names = [line.split()[0] for line in said.splitlines() if "cloud" not in line]
    names = sorted((name for name in names if "-rt-" not in name), key=_numbers)
    if not names:
        print(f"guests: apt knows no kernel {release} (apt-get update)")
        return None
    fetched = subprocess.run(
        ["apt-get", "download", "-o", "APT::Sandbox::User=root", names[-1]],
        cwd=_CACHE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    packages = sorted(_CACHE.glob(f"{names[-1]}_*.deb"))
    if fetched.returncode or not packages:
        print(f"guests: package {names[-1]} is missing and cannot be fetched: {fetched.stderr}")
        return None
    unpacked = place.with_name(f"{release}.new")
    subprocess.run(["dpkg-deb", "-x", packages[-1], unpacked], check=True)
    packages[-1].unlink()
    unpacked.rename(place)
    return place


def _numbers(name: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", name)]


# Makes a namespace with a bridge and a tap for each card; gives QEMU's options for them.
@contextmanager
def _cards() -> Iterator[tuple[Namespace, list[str]]]:
    network = Namespace(f"wp{os.getpid():x}-guest")
    network.create()
    try:
        _ip(network, "link add wpbr type bridge mcast_snooping 0")
        _ip(network, "link set wpbr up")
        options = []
        every = {CARD_MAC.format(number): card for number, card in enumerate(CARDS, 1)}
        for place, (mac, card) in enumerate({**every, FAR_CARD_MAC: FAR_CARD}.items()):
            several = "mq=on" in card
            tap = f"wpt{place}"
            queues = " multi_queue" if several else ""
            _ip(network, f"tuntap add dev {tap} mode tap vnet_hdr{queues}")
            _ip(network, f"link set {tap} master wpbr up")
            end = f"tap,id=n{place},ifname={tap},script=no,downscript=no,vhost=off"
            options += ["-netdev", f"{end}{',queues=4' if several else ''}"]
            options += ["-device", f"{card},netdev=n{place},mac={mac},romfile="]
        yield network, options
    finally:
        network.remove()


def _ip(host: Namespace, command: str) -> None:
    host.run(["ip", *command.split()], check=True)


if __name__ == "__main__":
    sys.exit(main())
