"""Test ``shape = true`` on a kernel with fq; run in a guest by ``run.py``."""

import platform
import sys
from typing import Final

import routed
from wirepath.datapath import Datapath
from wirepath.kernel import qdisc
from wirepath.kernel.interface import Interface
from wirepath.policy import Policy

_GOAL_BPS: Final = 95e6  # of payload; 95.6e6 is the most, since limits count whole frames
_RULE: Final = """
[[rule]]
name = "cap"
hook = ["egress"]
limit = {{ rate = "100mbit", per = "dst"{} }}
"""
_WAYS: Final = {
    "policed, default burst": "",
    "shaped, default burst": ", shape = true",
    "shaped, 64 KiB at once": ', shape = true, burst = "72kbyte"',
    "shaped, a frame at once": ', shape = true, burst = "1514byte"',
}
_SECONDS, _OMIT = 5, 2


def main() -> int:
    """Print the rate of TCP in each case; return 1 if shaping misses its goal."""
    reached = True
    with routed.routed("g") as path:
        print(f"kernel {platform.release()}, uncapped {routed.tcp(path, 2) / 1e6:.0f} Mbit/s")
        for name, options in _WAYS.items():
            policy = Policy.parse(_RULE.format(options))
            with path.router.entered():
                index = Interface.of(routed.IFNAME).index
                before = qdisc.root(index)
                datapath = Datapath.up(routed.IFNAME, policy, qdisc=True)
                there = qdisc.root(index)
            bps = routed.tcp(path, _SECONDS, _OMIT)
            with path.router.entered(), datapath:
                tc = datapath.manifest.tc
                datapath.down()
                restored = qdisc.root(index) == before
            print(f"{name:26} {bps / 1e6:6.1f} Mbit/s  {tc}, {there}, restored {restored}")
            reached &= restored and (not options or bps >= _GOAL_BPS)
    return not reached


if __name__ == "__main__":
    sys.exit(main())
