"""wirepath as a subject of measurements."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wirepath.datapath import Datapath
from wirepath.datapath.generation.load import Generation
from wirepath.kernel.tcx import Direction, TcxLink
from wirepath.net import Hook
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy


@contextmanager
def attach(policy: Path, ifname: str) -> Iterator[Datapath]:
    """Bring the policy file *policy* up on an interface while the body runs."""
    with Datapath.up(ifname, Policy.load(policy)) as datapath:
        try:
            yield datapath
        finally:
            datapath.down()


@contextmanager
def attach_at(policy: Path, hook: Direction, ifname: str) -> Iterator[None]:
    """Attach the program of *policy* for *hook* alone to an interface."""
    ifindex = socket.if_nametoindex(ifname)
    with (
        loaded(policy, hook) as generation,
        TcxLink.attach(generation.hooks[hook].program, ifindex, hook),
    ):
        yield


def loaded(policy: Path, *hooks: Hook) -> Generation:
    """Load the policy file *policy* without an interface; leaving its context unloads it.

    Loads the programs of *hooks*; if none is given, of all hooks at which the policy has rules.
    """
    read = Policy.load(policy)
    return Generation.load(read, read_contents(read).members, hooks=hooks or None)
