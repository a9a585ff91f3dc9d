"""``wirepath replay``: judges the frames of a capture by a policy, attached to nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from wirepath.cli import show
from wirepath.cli.parser import add_json
from wirepath.errors import RequestError
from wirepath.net import HOOKS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wirepath.judge import Replay
    from wirepath.pcap import Capture


def replay(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath replay``."""
    parser.add_argument("policy", metavar="POLICY", type=Path, help="policy file")
    parser.add_argument(
        "capture", metavar="PCAP", type=Path, help="pcap or pcapng file, or - for standard input"
    )
    parser.add_argument(
        "--hook", choices=HOOKS, default="ingress", help="hook to judge at; default: ingress"
    )
    parser.add_argument(
        "--model",
        action="store_true",
        help="decide with the Python model: slow, but needs no privilege",
    )
    parser.add_argument("--frames", action="store_true", help="show every frame")
    parser.add_argument(
        "--write-passed", metavar="F", type=Path, help="write frames that passed to F"
    )
    parser.add_argument(
        "--write-dropped", metavar="F", type=Path, help="write frames that were dropped to F"
    )
    add_json(parser)
    parser.set_defaults(run=_replay)


def _replay(options: Namespace) -> None:
    from wirepath import judge
    from wirepath.pcap import read_capture
    from wirepath.policy import Policy

    policy = Policy.load(options.policy)
    with read_capture(options.capture) as capture:
        _check_outputs(options, capture)
        result = judge.replay(policy, capture, hook=options.hook, model=options.model)
        if options.write_passed:
            _write(options.write_passed, capture, result, dropped=False)
        if options.write_dropped:
            _write(options.write_dropped, capture, result, dropped=True)
    if options.json:
        show.document(result.document(frames=options.frames))
    else:
        _tell(options.capture, result, frames=options.frames)


# The capture is mapped into memory while it is read, so it must not be overwritten.
def _check_outputs(options: Namespace, capture: Capture) -> None:
    from wirepath.pcap.contents import STANDARD_INPUT

    outputs = [file for file in (options.write_passed, options.write_dropped) if file]
    read = os.fstat(0) if options.capture == STANDARD_INPUT else options.capture.stat()
    for file in outputs:
        if file.exists() and os.path.samestat(file.stat(), read):
            raise RequestError(f"write {file}: it is the capture itself (name another file)")
        if file.suffix != ".pcapng" and len(set(capture.links)) > 1:
            raise RequestError(
                f"write {file}: the capture has frames of several link types, which pcap cannot "
                "hold (name a .pcapng file)"
            )
    if len({file.absolute() for file in outputs}) < len(outputs):
        raise RequestError(f"write {outputs[0]}: named twice (name two files)")


def _write(file: Path, capture: Capture, result: Replay, *, dropped: bool) -> None:
    from wirepath.pcap import CaptureWriter
    from wirepath.pcap.link import ETHERNET

    links = sorted(set(capture.links)) or [ETHERNET]
    with CaptureWriter(file, links) as writer:
        for frame, link, judged in zip(capture, capture.links, result.judged, strict=True):
            if (judged.verdict != "pass") == dropped:
                writer.write(frame.time_ns, frame.data, frame.wire_bytes, link)


def _tell(file: Path, result: Replay, *, frames: bool) -> None:
    from wirepath.pcap.contents import name

    if frames:
        width = len(f"{result.frames:,}")
        for n, (verdict, reason, rule) in enumerate(result.judged, 1):
            show.line(f"{n:{width},}  {verdict:8}  {reason:11}  {rule or ''}".rstrip())
        show.line()
    size = show.count(result.bytes, "byte")
    show.line(f"{name(file)}: {show.count(result.frames, 'frame')}, {size}")
    show.line()
    show.table(("verdict", "frames"), result.verdicts.items())
    if result.reasons:
        show.line()
        show.table(("reason", "frames"), result.reasons.items())
    if result.rules:
        show.line()
        counted = result.rules.items()
        rows = ((name, c.packets, c.bytes, c.dropped) for name, c in counted)
        show.table(("rule", "packets", "bytes", "dropped"), rows)
