"""Walk the cells that a guest can make; run in one by ``guests.py``. Prints a line a cell."""

import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, get_args

from devices.cells import DEVICES, ON_CARDS, Device, release
from devices.making import FAR_CARD_MAC, Hosts, sh
from devices.walk import Report, walk
from wirepath.kernel.links import Mode
from wirepath.lab.netns import Namespace

_PATIENCE_S: Final = 30.0
_MODES: Final = [mode for mode in get_args(Mode) if mode != "offload"]


class _Here(Namespace):
    """The first namespace, where the cards are, and /sys shows them."""

    def __init__(self) -> None:
        super().__init__("here")

    @contextmanager
    def entered(self) -> Iterator[None]:
        yield


def main(asked: list[str]) -> int:
    """Walk the cells whose names begin with one of *asked*, all by default; return 1 on a fault."""
    print(f"kernel {os.uname().release}", flush=True)
    failed = 0
    with ExitStack() as stack:
        far = Namespace("far-card")
        far.create()
        stack.callback(far.remove)
        cards = {link["address"]: link["ifname"] for link in json.loads(sh(_Here(), "ip -j link"))}
        if name := cards.get(FAR_CARD_MAC):
            sh(_Here(), f"ip link set {name} netns {far.name}")
        for device in (*DEVICES, *ON_CARDS):
            if device.where == "here" or release() < device.since:
                continue
            if asked and not device.name.startswith(tuple(asked)):
                continue
            for mode in _MODES:
                hosts = Hosts(_Here(), far) if device in ON_CARDS else None
                failed += _told(device, mode, hosts)
    return int(failed > 0)


def _told(device: Device, mode: Mode, hosts: Hosts | None) -> bool:
    begun = time.monotonic()
    try:
        with _made(device, hosts) as made:
            report = walk(device, mode, made, patience_s=_PATIENCE_S)
    except Exception:  # noqa: BLE001 - the next cell is walked all the same
        report = Report("", [("all", line) for line in traceback.format_exc().splitlines()])
    result = f"refused: {report.refused}" if report.refused else "filtered"
    took = f"{time.monotonic() - begun:5.1f} s"
    print(f"{'FAULT' if report.faults else 'right'}  {device.name}, {mode}, {took}: {result}")
    for hook, what in report.faults:
        print(f"       {hook}: {what}")
    sys.stdout.flush()
    return bool(report.faults)


@contextmanager
def _made(device: Device, hosts: Hosts | None) -> Iterator[Hosts]:
    if hosts:
        yield hosts
        return
    near = Namespace("near")
    far = near if device.name == "lo" else Namespace("far")
    with ExitStack() as stack:
        for host in {near, far}:
            stack.callback(host.remove)
            host.create()
        yield Hosts(near, far)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
