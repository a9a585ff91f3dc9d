"""``wirepath replay``: judges the frames of a capture by a policy, attached to nothing."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from wirepath.cli import show
from wirepath.cli.parser import add_json
from wirepath.errors import RequestError
from wirepath.net import HOOKS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Sequence

    from wirepath.judge import Replay
    from wirepath.pcap import Capture
    from wirepath.pcap.departures import Departures


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
        "--write-passed",
        metavar="F",
        type=Path,
        help="write frames that passed to F, as they leave",
    )
    parser.add_argument(
        "--write-dropped", metavar="F", type=Path, help="write frames that were dropped to F"
    )
    parser.add_argument(
        "--write-answers", metavar="F", type=Path, help="write the answers that were sent to F"
    )
    add_json(parser)
    parser.set_defaults(run=_replay)


def _replay(options: Namespace) -> None:
    from wirepath import judge
    from wirepath.pcap import read_capture
    from wirepath.pcap.departures import Departures
    from wirepath.policy import Policy

    if options.model and options.write_answers:
        raise RequestError("--write-answers: the model writes no answers (leave --model out)")
    policy = Policy.load(options.policy)
    with read_capture(options.capture) as capture, ExitStack() as stack:
        _check_outputs(options, capture)
        leaving = None
        if options.write_passed or options.write_answers:
            leaving = stack.enter_context(Departures(capture))
        result = judge.replay(
            policy,
            capture,
            hook=options.hook,
            model=options.model,
            summaries=options.frames,
            departures=leaving,
        )
        _write_all(options, capture, result, leaving)
    if options.json:
        show.document(result.document(frames=options.frames))
    else:
        _tell(options.capture, result)


def _write_all(
    options: Namespace, capture: Capture, result: Replay, leaving: Departures | None
) -> None:
    verdicts = [judged.verdict for judged in result.judged]
    passed = [n for n, verdict in enumerate(verdicts) if verdict == "pass"]
    dropped = [n for n, verdict in enumerate(verdicts) if verdict != "pass"]
    if leaving and options.write_passed:
        _write(options.write_passed, capture, ((n, leaving.passed(n)) for n in passed))
    if options.write_dropped:
        _write(options.write_dropped, capture, ((n, capture.frame(n)) for n in dropped))
    if leaving and options.write_answers:
        answers = [n for n in dropped if verdicts[n] == "tx"]
        made = ((n, data) for n in answers if (data := leaving.answer(n)) is not None)
        if missing := len(answers) - _write(options.write_answers, capture, made):
            missed = show.count(missing, "answer")
            print(f"note: {missed} not written: the capture cut what it answers", file=sys.stderr)


# The capture is mapped into memory while it is read, so it must not be overwritten.
def _check_outputs(options: Namespace, capture: Capture) -> None:
    from wirepath.pcap.contents import STANDARD_INPUT

    asked = (options.write_passed, options.write_dropped, options.write_answers)
    outputs = [file for file in asked if file]
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
        raise RequestError(f"write {_twice(outputs)}: named twice (name two files)")


def _twice(files: Sequence[Path]) -> Path:
    return next(
        file
        for n, file in enumerate(files)
        if file.absolute() in [other.absolute() for other in files[:n]]
    )


# Writes the bytes of frames by their numbers; returns how many. What is as long as the captured
# frame is that frame, and has its length on the wire.
def _write(file: Path, capture: Capture, frames: Iterable[tuple[int, bytes]]) -> int:
    from wirepath.pcap import CaptureWriter
    from wirepath.pcap.link import ETHERNET

    links = sorted(set(capture.links)) or [ETHERNET]
    written = 0
    with CaptureWriter(file, links) as writer:
        for n, data in frames:
            wire = capture.wire[n] if len(data) == capture.captured[n] else len(data)
            writer.write(capture.times_ns[n], data, wire, capture.links[n])
            written += 1
    return written


def _tell(file: Path, result: Replay) -> None:
    from wirepath.pcap.contents import name

    if result.summaries:
        for line in _lines(result):
            show.line(line)
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


# A line a frame, in columns as wide as this capture needs.
def _lines(result: Replay) -> Iterator[str]:
    ends = max(len(summary.ends) for summary in result.summaries)
    protocols = max(len(summary.proto or "-") for summary in result.summaries)
    lengths = max(len(str(summary.length)) for summary in result.summaries)
    for summary, judged in zip(result.summaries, result.judged, strict=True):
        frame = f"{summary.ends:{ends}} {summary.proto or '-':{protocols}}"
        verdict = f"{judged.verdict:4} {judged.reason} {judged.rule or ''}"
        when = show.clock(summary.time_ns)
        yield f"{when} {frame} {summary.length:{lengths}} {verdict}".rstrip()
