"""Connection tracking, which the kernel does only where it is asked for. We ask with an nft rule.

A rule that reads ``ct state`` makes the kernel track every connection of the network namespace,
those of local processes included, and reassemble fragments for it. Our rule reads the state and
does nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from errno import ENOENT
from typing import Final

from wirepath.errors import KernelError
from wirepath.kernel.functions import has_function

_CHAIN: Final = "prerouting"
_RULE: Final = "ct state invalid"
_LOOKUP: Final = "bpf_skb_ct_lookup"
_KEPT: Final = re.compile(rb"[A-Za-z0-9.]")


def watch(iface: str) -> None:
    """Start connection tracking in the network namespace of the calling thread.

    Adds an nft table for *iface*, and replaces one that an earlier call has left. Connections that
    are already open are picked up at their next packet.

    Raises:
        KernelError: nft is missing, or the kernel refuses.
    """
    table = _table(iface)
    # One transaction: at every moment either the old table or the new one is in place.
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
    """Remove the table that ``watch`` added, if it is still there.

    Tracking goes on as long as any other rule in the namespace needs it.

    Raises:
        KernelError: nft is missing, or the kernel refuses.
    """
    table = _table(iface)
    doing = f"stop tracking connections for {iface}"
    _nft(doing, f"add table inet {table}\ndelete table inet {table}\n")


def watched(iface: str) -> bool:
    """Tell whether the table that ``watch`` adds is in place with its rule.

    Raises:
        KernelError: nft is missing, or the kernel refuses.
    """
    asked = f"list chain inet {_table(iface)} {_CHAIN}\n"
    done = _nft(f"look for the table of {iface}", asked, absent=True)
    return _RULE in done


def askable() -> bool:
    """Tell whether this kernel has the functions by which programs look up connections.

    Source: net/netfilter/nf_conntrack_bpf.c.
    """
    return has_function(_LOOKUP, "nf_conntrack")


def installed() -> bool:
    """Tell whether nft is installed. Without it, ``watch`` cannot have added anything."""
    return shutil.which("nft") is not None


def rule(iface: str) -> str:
    """Give the rule that ``watch`` adds, as ``nft add rule`` takes it."""
    return f"inet {_table(iface)} {_CHAIN} {_RULE}"


# Table names hold letters, digits, dots and underscores, so other bytes are escaped, one to one.
def _table(iface: str) -> str:
    return "wirepath_" + "".join(
        "__" if byte == b"_" else byte.decode() if _KEPT.match(byte) else f"_{byte.hex()}"
        for byte in (bytes([each]) for each in os.fsencode(iface))
    )


# Returns the output of nft. With *absent*, an object that does not exist gives "", not an error.
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


# Extracts the reason from nft's message, which puts the place before it and the script after it.
def _complaint(said: str) -> str:
    line = next(iter(said.strip().splitlines()), "nft failed and says nothing")
    return re.sub(r"^\S*?:\d+:\d+-\d+: ", "", line).removeprefix("Error: ")
