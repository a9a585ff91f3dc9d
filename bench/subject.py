"""wirepath as a subject of the measurements: the one place that knows its Python interface."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wirepath.datapath import Datapath
from wirepath.policy import Policy


@contextmanager
def attach(policy: Path, ifname: str) -> Iterator[Datapath]:
    """Put the policy file *policy* on an interface of this namespace for the context's time."""
    with Datapath.up(ifname, Policy.load(policy)) as datapath:
        try:
            yield datapath
        finally:
            datapath.down()
