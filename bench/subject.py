"""wirepath as a subject of the measurements: the one place that knows its Python interface."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wirepath.datapath import Datapath
from wirepath.datapath.contents import read_contents
from wirepath.datapath.generation import Generation
from wirepath.policy import Policy


@contextmanager
def attach(policy: Path, ifname: str) -> Iterator[Datapath]:
    """Put the policy file *policy* on an interface of this namespace for the context's time."""
    with Datapath.up(ifname, Policy.load(policy)) as datapath:
        try:
            yield datapath
        finally:
            datapath.down()


def loaded(policy: Path) -> Generation:
    """Load the policy file *policy*, attached to nothing; leaving its context unloads it."""
    read = Policy.load(policy)
    return Generation.load(read, read_contents(read).members)
