"""Connection tracking: it sees nothing until somebody in the namespace asks for it. We ask by nft.

A rule that looks at ``ct state`` has the kernel track every connection of the network namespace,
those of its own processes too, and put fragments together to do so. Ours looks and does nothing
about it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from errno import ENOENT
from pathlib import Path
from typing import Final

from wirepath.errors import KernelError

_CHAIN: Final = "prerouting"
_RULE: Final = "ct state invalid"
_TYPES: Final = Path("/sys/kernel/btf")
_LOOKUP: Final = b"\0bpf_skb_ct_lookup\0"
_KEPT: Final = re.compile(rb"[A-Za-z0-9.]")


def watch(iface: str) -> None:
    """Have connections tracked, from now on, in the network namespace that the thread is in.

    Adds a table of its own for *iface*, in place of one of that name. Connections that began
    before are picked up with their next packet.

    Raises:
        KernelError: nft is missing, or the kernel refuses.
    """
    table = _table(iface)
    # One transaction: at no time is there neither the old table nor the new one.
    _nft(
        f"track connections for {iface}",
        f"""
        add table inet {table}
        delete table inet {table}
        table inet {table} {{
            chain {_CHAIN} {{
                type filter hook prerouting priority filter; policy accept;
                {_RULE}
            }}
        }}
        """,
    )


def unwatch(iface: str) -> None:
    """Remove what ``watch`` added; does nothing if it is gone.

    Tracking ends when nobody else in the namespace asks for it.

    Raises:
        KernelError: nft is missing, or the kernel refuses.
    """
    table = _table(iface)
    doing = f"stop tracking connections for {iface}"
    _nft(doing, f"add table inet {table}\ndelete table inet {table}\n")


def watched(iface: str) -> bool:
    """Tell whether what ``watch`` adds is in place, and as it was added.

    Raises:
        KernelError: nft is missing, or the kernel does not tell.
    """
    asked = f"list chain inet {_table(iface)} {_CHAIN}\n"
    done = _nft(f"look for the table of {iface}", asked, absent=True)
    return _RULE in done


def askable() -> bool:
    """Tell whether programs may look connections up here: whether the kernel has functions for it.

    Source: net/netfilter/nf_conntrack_bpf.c
    """
    types = (_TYPES / name for name in ("nf_conntrack", "vmlinux"))
    return any(path.exists() and _LOOKUP in path.read_bytes() for path in types)


def installed() -> bool:
    """Tell whether there is an nft to ask with: without one nothing was ever added."""
    return shutil.which("nft") is not None


def rule(iface: str) -> str:
    """Give the rule that ``watch`` adds, in the words of ``nft add rule``."""
    return f"inet {_table(iface)} {_CHAIN} {_RULE}"


# Names of tables take letters, digits, dots and underscores; no two interfaces get one name.
def _table(iface: str) -> str:
    return "wirepath_" + "".join(
        "__" if byte == b"_" else byte.decode() if _KEPT.match(byte) else f"_{byte.hex()}"
        for byte in (bytes([each]) for each in os.fsencode(iface))
    )


# What nft prints; with *absent*, nothing if what the script names is not there.
def _nft(doing: str, script: str, *, absent: bool = False) -> str:
    try:
        done = subprocess.run(
            ["nft", "-f", "-"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        cure = "`apt install nftables`"
        raise KernelError(doing, ENOENT, what="the program nft is missing", cure=cure) from None
    if absent and os.strerror(ENOENT) in done.stderr:
        return ""
    if done.returncode:
        raise KernelError(doing, what=_complaint(done.stderr))
    return done.stdout


# Of what nft says, the reason: it begins with where in the script, and goes on with the script.
def _complaint(said: str) -> str:
    line = next(iter(said.strip().splitlines()), "nft failed and says nothing")
    return re.sub(r"^\S*?:\d+:\d+-\d+: ", "", line).removeprefix("Error: ")
