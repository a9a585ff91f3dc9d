"""wirepath as a subject of the measurements: the one place that knows its Python interface."""

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
    """Put the policy file *policy* on an interface of this namespace for the context's time."""
    with Datapath.up(ifname, Policy.load(policy)) as datapath:
        try:
            yield datapath
        finally:
            datapath.down()


@contextmanager
def attach_at(policy: Path, hook: Direction, ifname: str) -> Iterator[None]:
    """Put what *policy* says at *hook* on an interface, and nothing at other hooks."""
    ifindex = socket.if_nametoindex(ifname)
    with (
        loaded(policy, hook) as generation,
        TcxLink.attach(generation.hooks[hook].program, ifindex, hook),
    ):
        yield


def loaded(policy: Path, *hooks: Hook) -> Generation:
    """Load the policy file *policy*, attached to nothing; leaving its context unloads it.

    Programs are those of *hooks*, of all that the policy has rules at if none is given.
    """
    read = Policy.load(policy)
    return Generation.load(read, read_contents(read).members, hooks=hooks or None)
