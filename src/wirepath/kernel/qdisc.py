"""The root qdisc of an interface, which must be fq for packets to wait for their departure time.

A program at egress can set the earliest departure time of a packet (``skb->tstamp``). Only the
qdisc ``fq`` waits for it; under any other the packet leaves at once and nothing is limited.
"""

from __future__ import annotations

import logging
from errno import ENODEV, ENOENT, EPERM
from typing import TYPE_CHECKING, Final

from wirepath.errors import KernelError, NotSupported
from wirepath.kernel import rtnetlink
from wirepath.kernel.handle import telling
from wirepath.kernel.interface import name_of
from wirepath.kernel.links import ROOT
from wirepath.kernel.rtnetlink import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable

log = logging.getLogger(__name__)

_PACER = "fq"
_MQ_HANDLE: Final = 0x77690000  # of an mq that we add: ``wi`` in ASCII
_MINOR: Final = 0xFFFF

# Kinds whose options the kernel reports in the form in which it accepts them.
_KEPT: Final = ("pfifo", "bfifo", "pfifo_fast", "noqueue")
# ``kept`` returns one of these, or the kind, handle and options of an operator's qdisc.
_DEFAULT, _NOTHING = "default", "nothing"


def root(ifindex: int) -> str:
    """Return the kind of the root qdisc: ``fq``, ``mq``, ``noqueue``.

    Empty if the interface is gone, or has none because it was never up.

    Raises:
        KernelError: the kernel refuses.
    """
    found = _root(_qdiscs(ifindex))
    return found.kind if found else ""


def paces(ifindex: int) -> bool:
    """Tell whether packets wait for their time: the root is fq, or mq with fq on every queue.

    Raises:
        KernelError: the kernel refuses.
    """
    there = _qdiscs(ifindex)
    found = _root(there)
    if not found:
        return False
    pacers = _queues(there, found) if found.kind == "mq" else [found]
    return bool(pacers) and all(each.kind == _PACER for each in pacers)


def kept(ifindex: int) -> str:
    """Describe the qdisc that `put_fq` would replace, in a text for `restore`; change nothing.

    Raises:
        KernelError: the interface is gone, or its qdisc could not be restored later.
    """
    if paces(ifindex):
        return _NOTHING
    there = _qdiscs(ifindex)
    found = _root(there) or Traffic(ifindex)
    return _kept(_doing(ifindex), found, _queues(there, found))


def put_fq(ifindex: int) -> str:
    """Make packets wait for their time: put fq at the root, or on every queue of an mq.

    Packets that are queued in the old qdisc are lost.

    Returns:
        The text that `kept` gave before.

    Raises:
        NotSupported: this kernel was built without fq; nothing has changed.
        KernelError: the interface is gone, or its qdisc could not be restored later.
    """
    doing, before = _doing(ifindex), kept(ifindex)
    if before == _NOTHING:
        return before
    there = _qdiscs(ifindex)
    queues = _queues(there, _root(there) or Traffic(ifindex))
    try:
        if queues:
            _put_on_queues(ifindex, len(queues), before)
        else:
            _put(Traffic(ifindex, parent=rtnetlink.ROOT, kind=_PACER))
    except OSError as error:
        if error.errno == ENOENT:
            raise NotSupported(doing, ENOENT, needs="CONFIG_NET_SCH_FQ") from error
        cure = ROOT if error.errno == EPERM else ""
        raise KernelError(doing, error.errno or 0, cure=cure) from error
    log.debug("%s in place of %s", doing, before)
    return before


def _doing(ifindex: int) -> str:
    if name := name_of(ifindex):
        return f"put {_PACER} on {name}"
    raise KernelError(f"put {_PACER} on {ifindex}", ENODEV, cure="`ip link` lists them")


def restore(ifindex: int, before: str) -> None:
    """Put back the qdisc that ``put_fq`` replaced. Does nothing if fq has been replaced since.

    Args:
        ifindex: index of the interface; if it is gone, nothing is done.
        before: the text that ``put_fq`` returned.

    Raises:
        KernelError: the kernel refuses.
    """
    if before == _NOTHING or not paces(ifindex):
        return
    with telling(f"put the qdisc of {name_of(ifindex)} back"):
        _put_back(ifindex, before)


def _put_back(ifindex: int, before: str) -> None:
    if before == _DEFAULT:
        # Without a root qdisc of ours, the kernel puts its default back.
        gone = Traffic(ifindex, parent=rtnetlink.ROOT)
        rtnetlink.request(rtnetlink.DELQDISC, gone.packed())
        return
    kind, handle, options = before.split(":")
    _put(
        Traffic(
            ifindex,
            handle=int(handle, 16),
            parent=rtnetlink.ROOT,
            kind=kind,
            options=bytes.fromhex(options),
        )
    )


# Makes the text for `restore`, or raises before anything is lost.
def _kept(doing: str, found: Traffic, queues: Iterable[Traffic]) -> str:
    # Only a qdisc that the kernel chose has no handle.
    if not found.handle:
        return _DEFAULT
    if found.kind == "mq":
        odd = next((each.kind for each in queues if each.handle), "")
    else:
        odd = "" if found.kind in _KEPT else found.kind
    if odd:
        raise KernelError(
            doing,
            what=f"the qdisc {odd} is there, whose settings could not be put back later",
            cure="put fq there yourself, by `tc qdisc replace`, or remove the other",
        )
    return f"{found.kind}:{found.handle:x}:{found.options.hex()}"


# Puts an mq at the root and fq on each queue; on failure, restores the qdisc from before.
def _put_on_queues(ifindex: int, count: int, before: str) -> None:
    _put(Traffic(ifindex, handle=_MQ_HANDLE, parent=rtnetlink.ROOT, kind="mq"))
    try:
        for queue in range(1, count + 1):
            _put(Traffic(ifindex, parent=_MQ_HANDLE | queue, kind=_PACER))
    except OSError:
        _put_back(ifindex, before)
        raise


def _put(qdisc: Traffic) -> None:
    flags = rtnetlink.CREATE | rtnetlink.REPLACE
    rtnetlink.request(rtnetlink.NEWQDISC, qdisc.packed(), flags)


def _qdiscs(ifindex: int) -> list[Traffic]:
    with telling(f"look for qdiscs of interface {ifindex}"):
        return rtnetlink.traffic(rtnetlink.GETQDISC, Traffic(ifindex))


def _root(there: Iterable[Traffic]) -> Traffic | None:
    return next((each for each in there if each.parent == rtnetlink.ROOT), None)


# The qdiscs below an mq, one for each queue in use.
def _queues(there: Iterable[Traffic], mq: Traffic) -> list[Traffic]:
    if mq.kind != "mq":
        return []
    return [
        each
        for each in there
        if each.parent & ~_MINOR == mq.handle and each.parent & _MINOR and each is not mq
    ]
