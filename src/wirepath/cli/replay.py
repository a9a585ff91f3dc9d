"""``wirepath replay``: a capture judged by a policy, attached to nothing."""

from __future__ import annotations

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
    parser.add_argument("capture", metavar="PCAP", type=Path, help="pcap or pcapng file")
    parser.add_argument("--hook", choices=HOOKS, default="ingress", help="default: ingress")
    parser.add_argument(
        "--model",
        action="store_true",
        help="let the Python model decide: slow, but needs no privilege",
    )
    parser.add_argument("--frames", action="store_true", help="show every frame")
    parser.add_argument("--write-passed", metavar="F", type=Path, help="write what passed")
    parser.add_argument("--write-dropped", metavar="F", type=Path, help="write what was dropped")
    add_json(parser)
    parser.set_defaults(run=_replay)


def _replay(options: Namespace) -> None:
    from wirepath import judge
    from wirepath.pcap import read_capture
    from wirepath.policy import Policy

    policy = Policy.load(options.policy)
    with read_capture(options.capture) as capture:
        _check_outputs(options)
        result = judge.replay(policy, capture, hook=options.hook, model=options.model)
        if options.write_passed:
            _write(options.write_passed, capture, result, dropped=False)
        if options.write_dropped:
            _write(options.write_dropped, capture, result, dropped=True)
    if options.json:
        show.document(result.document(frames=options.frames))
    else:
        _tell(options.capture, result, frames=options.frames)


# The capture is mapped while it is read: writing over it would take it away underneath us.
def _check_outputs(options: Namespace) -> None:
    outputs = [file for file in (options.write_passed, options.write_dropped) if file]
    for file in outputs:
        if file.exists() and file.samefile(options.capture):
            raise RequestError(f"write {file}: it is the capture itself (name another file)")
    if len({file.absolute() for file in outputs}) < len(outputs):
        raise RequestError(f"write {outputs[0]}: named twice (name two files)")


def _write(file: Path, capture: Capture, result: Replay, *, dropped: bool) -> None:
    from wirepath.pcap import CaptureWriter

    with CaptureWriter(file) as writer:
        for frame, judged in zip(capture, result.judged, strict=True):
            if (judged.verdict != "pass") == dropped:
                writer.write(frame.time_ns, frame.data, frame.wire_bytes)


def _tell(file: Path, result: Replay, *, frames: bool) -> None:
    if frames:
        width = len(f"{result.frames:,}")
        for n, (verdict, reason, rule) in enumerate(result.judged, 1):
            show.line(f"{n:{width},}  {verdict:8}  {reason:11}  {rule or ''}".rstrip())
        show.line()
    size = show.count(result.bytes, "byte")
    show.line(f"{file}: {show.count(result.frames, 'frame')}, {size}")
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
