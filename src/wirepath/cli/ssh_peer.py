"""The SSH session that a command runs in, which its policy had better let through."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wirepath.errors import RequestError
from wirepath.net import parse_address

if TYPE_CHECKING:
    from wirepath.policy import Policy

_KEY: Final = b"SSH_CONNECTION="


def cut_off(policy: Policy, *, skip_bad: bool = False) -> str | None:
    """Say that *policy* drops all packets of the SSH session, or return None.

    None also if there is no session. Reads the files of sets if there is one.

    Raises:
        PolicyError: a set file has bad lines.
    """
    if not (session := _session()):
        return None
    from wirepath.explanation import explain

    address, port = session
    found = explain(policy, address, proto="tcp", dport=port, skip_bad=skip_bad)
    if "pass" in found.possible:
        return None
    return (
        f"your SSH session, from {address} to port {port}, gets dropped: no rule passes it"
        f' (never_block = ["{address}"] does)'
    )


# By sshd: the client's address and port, then the server's. sudo takes the variable from its
# command's environment, so the processes above are asked too; the nearest one that has it counts.
def _session() -> tuple[str, int] | None:
    pid = os.getpid()
    while pid > 1:
        process = Path("/proc", str(pid))
        try:
            environment = (process / "environ").read_bytes()
            pid = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # the process has gone, or is not ours to read
            return None
        for variable in environment.split(b"\0"):
            if variable.startswith(_KEY):
                return _read(os.fsdecode(variable[len(_KEY) :]).split())
    return None


# sshd writes UNKNOWN for an address if the session did not come by TCP.
def _read(words: list[str]) -> tuple[str, int] | None:
    match words:
        case [client, _, _, port] if port.isdecimal():
            address = client.partition("%")[0]
            with suppress(RequestError):
                parse_address(address)
                return address, int(port)
    return None
