"""Replaying a capture: its frames are judged by a policy, at the capture's own clock.

Nothing is attached. The real program judges every frame in a test run of the kernel, or the Python
model does, without privilege.
"""

from __future__ import annotations

from array import array
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.datapath.live import counters
from wirepath.kernel.program import GROWTH, Headers, Left, skb_dtype
from wirepath.pcap.link import HEADER_BYTES
from wirepath.pcap.steady import steady

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import SupportsBytes

    from _typeshed import ReadableBuffer
    from numpy.typing import NDArray

    from wirepath.datapath.generation.load import Generation
    from wirepath.kernel.program import Program
    from wirepath.net import Hook
    from wirepath.pcap import Capture, Frame
    from wirepath.pcap.departures import Departures
    from wirepath.pcap.link import Packets
    from wirepath.policy import Policy
    from wirepath.summary import Summary

_CHUNK: Final = 65_536  # frames per call into C: about 0.1 s, so that SIGINT takes effect
_CHUNK_KEPT: Final = 1_024  # where what the program makes of them is kept: 64 MiB at most
_ADDED: Final = 4  # the word of skb->cb for added_bytes and foreign, see bpf/trace.h
_FRAME_BYTES_MAX: Final = 65_557  # two VLAN tags and the largest packet; the rest is none's


class Judged(NamedTuple):
    """The verdict on one frame, its reason, and the rule that decided; None if no rule did."""

    verdict: str
    reason: str
    rule: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Replay:
    """The outcome of judging the frames of a capture.

    Attributes:
        frames, bytes: the size of the capture; bytes as they were on the wire, from the Ethernet
            header on, or from layer 3 on for other links.
        verdicts, reasons: frames by verdict and by reason.
        rules: the counters of rules, by name, in the order of the policy.
        judged: the verdict on each frame, in order.
        summaries: what each frame is, in order; empty unless they were asked for.
    """

    frames: int
    bytes: int
    verdicts: Mapping[str, int]
    reasons: Mapping[str, int]
    rules: Mapping[str, counters.RuleCount]
    judged: Sequence[Judged]
    summaries: Sequence[Summary] = ()

    def __repr__(self) -> str:
        verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in self.verdicts.items())
        return f"<replay of {self.frames:,} frame{'s' * (self.frames != 1)}: {verdicts}>"

    def document(self, *, frames: bool = False) -> dict[str, Any]:
        """Give the outcome as plain values, for JSON; with *frames* also each frame, from 1.

        With the summaries of frames, if there are any.
        """
        document: dict[str, Any] = {
            "frames": self.frames,
            "bytes": self.bytes,
            "verdicts": dict(self.verdicts),
            "reasons": dict(self.reasons),
            "rules": {name: count.document() for name, count in self.rules.items()},
        }
        if frames:
            found = [summary.document() for summary in self.summaries] or [{}] * self.frames
            document["frames_detail"] = [
                {"n": n, **judged._asdict(), **summary}
                for n, (judged, summary) in enumerate(zip(self.judged, found, strict=True), 1)
            ]
        return document


def replay(
    policy: Policy,
    capture: str | Path | Capture | Iterable[SupportsBytes | Frame],
    *,
    hook: Hook = "ingress",
    model: bool = False,
    skip_bad: bool = False,
    summaries: bool = False,
    departures: Departures | None = None,
) -> Replay:
    """Judge every frame of *capture* by *policy*, attached to nothing.

    Args:
        policy: the policy; the files of its sets are read.
        capture: the path of a pcap or pcapng file (``-`` is standard input), an open `Capture`, or
            frames as bytes that begin with the Ethernet header.
        hook: the hook at which frames are judged; the result has only rules of this hook.
        model: whether the Python model decides, which needs no privilege but is slow.
        skip_bad: whether to skip bad lines of set files.
        summaries: whether to say of each frame what it is: addresses, ports, protocol.
        departures: of *capture*, which has to be open; gets the frames that leave changed.

    Raises:
        CaptureError: the file cannot be read as a capture.
        PolicyError: a set file has bad lines.
        KernelError: the program cannot be loaded or run.
    """
    from wirepath.plan.set_files import read_contents

    contents = read_contents(policy, skip_bad=skip_bad, yes=True)
    with _opened(capture) as opened:
        if model:
            found = _by_model(policy, contents.members, opened, hook, departures)
        else:
            found = _by_program(policy, contents.members, opened, hook, departures)
        if summaries:
            from wirepath.summary import summarise

            packets = opened.packets()
            fields = zip(packets, opened.times_ns, packets.wire, packets.added, strict=True)
            found = replace(found, summaries=[summarise(*each) for each in fields])
        return found


# A capture that the caller has opened stays open.
@contextmanager
def _opened(capture: str | Path | Capture | Iterable[SupportsBytes | Frame]) -> Iterator[Capture]:
    from wirepath.pcap import Capture, read_capture

    if isinstance(capture, Capture):
        yield capture
        return
    made = read_capture(capture) if isinstance(capture, str | Path) else Capture.of(capture)
    with made:
        yield made


def _by_program(
    policy: Policy, members: Any, capture: Capture, hook: Hook, departures: Departures | None
) -> Replay:
    from wirepath.datapath.generation.load import Generation
    from wirepath.plan.actions import bans

    # Only limits impose bans here; if none does, the table of bans can be small.
    sizes = {} if bans(policy) else {"bans": 1}
    with Generation.load(policy, members, sizes=sizes, hooks=[hook], replaying=True) as generation:
        packets = capture.packets()
        traces = _traces(generation, packets, steady(capture.times_ns), hook, departures)
        judged = _named(generation, policy, traces)
        here = policy.at(hook).rules
        slots = {r.name: number for number, r in enumerate(policy.rules) if r in here}
        return _summed(packets, counters.rules(generation.maps, slots), judged)


# Runs the program on every frame; returns what it wrote into the trace of each.
def _traces(
    generation: Generation,
    packets: Packets,
    times_ns: array[int],
    hook: Hook,
    departures: Departures | None,
) -> NDArray[Any]:
    import numpy as np

    traces = np.zeros(len(packets), dtype=np.dtype(generation.btf.ctype("struct trace").dtype))
    traces["now_ns"] = times_ns
    traces["added_bytes"] = packets.added
    traces["wire_bytes"] = packets.wire
    traces["wire_bytes"] += traces["added_bytes"]
    offsets = memoryview(packets.offsets)
    lengths = np.minimum(np.asarray(packets.captured), np.uint32(_FRAME_BYTES_MAX))
    judge = judge_frames if hook == "ingress" else judge_skbs
    chunk = _CHUNK if departures is None else _CHUNK_KEPT
    for start in range(0, len(packets), chunk):
        part = slice(start, start + chunk)
        headers = _headers(packets, part)
        left = None if departures is None else _room(lengths[part])
        judge(
            generation.program,
            packets.data,
            offsets[part],
            lengths[part],
            traces[part],
            headers=headers,
            left=left and Left(*left),
        )
        if departures is not None and left is not None:
            departures.take(start, *left, lengths[part].tolist())
    return traces


def _room(lengths: NDArray[Any]) -> tuple[bytearray, array[int]]:
    most = int(lengths.sum(dtype="u8")) + (GROWTH + HEADER_BYTES) * len(lengths)
    return bytearray(most), array("I", bytes(4 * len(lengths)))


def _headers(packets: Packets, part: slice) -> Headers | None:
    if not packets.headers:
        return None
    start, end, _ = part.indices(len(packets))
    data = memoryview(packets.headers)[start * HEADER_BYTES : end * HEADER_BYTES]
    return Headers(data, memoryview(packets.added)[part])


def judge_frames(
    program: Program,
    data: ReadableBuffer,
    offsets: ReadableBuffer,
    lengths: ReadableBuffer,
    traces: NDArray[Any],
    *,
    headers: Headers | None = None,
    left: Left | None = None,
) -> array[int]:
    """Run an XDP program on frames, each preceded by its entry of *traces*, which it updates.

    Returns:
        The program's return value for each frame.
    """
    return program.test_runs(data, offsets, lengths, traces.view("u1"), headers, left=left)


def judge_skbs(
    program: Program,
    data: ReadableBuffer,
    offsets: ReadableBuffer,
    lengths: ReadableBuffer,
    traces: NDArray[Any],
    *,
    headers: Headers | None = None,
    left: Left | None = None,
) -> array[int]:
    """Run a TC program on frames, as `judge_frames` does; *traces* travel in the skb's fields."""
    import numpy as np

    skbs: NDArray[Any] = np.zeros(len(traces), dtype=np.dtype(skb_dtype()))  # type: ignore[call-overload]
    skbs["tstamp"], skbs["mark"] = traces["now_ns"], traces["wire_bytes"]
    skbs["cb"][:, _ADDED] = traces["added_bytes"] | traces["foreign"].astype("u4") << 16
    program.skb_runs(data, offsets, lengths, skbs, headers, left=left)
    for place, name in enumerate(("verdict", "reason", "fault", "rule")):
        traces[name] = skbs["cb"][:, place]
    return array("I", skbs["retval"].tobytes())


def _named(generation: Generation, policy: Policy, traces: NDArray[Any]) -> list[Judged]:
    import numpy as np

    btf = generation.btf
    verdicts, reasons = (list(btf.enum(name)) for name in ("verdict", "reason"))
    rules: list[str | None] = [*(rule.name for rule in policy.rules), None]
    # Only few outcomes are distinct, so each is made once; they sort fast as single numbers.
    shape = (len(verdicts), len(reasons), len(rules))
    rule = np.minimum(traces["rule"], len(policy.rules))
    keys = np.ravel_multi_index((traces["verdict"], traces["reason"], rule), shape)
    different, which = np.unique(keys, return_inverse=True)
    outcomes = [
        Judged(verdicts[v], reasons[r], rules[n])
        for v, r, n in zip(*np.unravel_index(different, shape), strict=True)
    ]
    return [outcomes[i] for i in which.tolist()]


def _by_model(
    policy: Policy, members: Any, capture: Capture, hook: Hook, departures: Departures | None
) -> Replay:
    from wirepath.frame import marked
    from wirepath.model import Model
    from wirepath.prefixes import Tables
    from wirepath.prefixes.offline import by_name, offline

    decider = Model(policy, by_name(offline(Tables.build(members)), policy.sets), hook=hook)
    counts = {r.name: counters.RuleCount() for r in decider.policy.rules if r.action.counts}
    judged = []
    packets = capture.packets()
    fields = zip(packets, steady(capture.times_ns), packets.wire, packets.added, strict=True)
    for n, (frame, time_ns, wire_bytes, added_bytes) in enumerate(fields):
        decision = decider.decide(frame, time_ns, wire_bytes + added_bytes, added_bytes=added_bytes)
        verdict = decision.verdict
        judged.append(Judged(verdict.verdict, verdict.reason, verdict.rule))
        if departures is not None and "dscp" in decision.leaves_with:
            departures.put(n, marked(frame, decision.leaves_with["dscp"]))
        for name in decision.matched:
            dropped = verdict.verdict == "drop" and verdict.rule == name
            exceeded = dropped and verdict.reason == "limit_exceeded"
            counts[name] = counts[name].one_more(wire_bytes, dropped=dropped, exceeded=exceeded)
    return _summed(packets, counts, judged)


def _summed(
    packets: Packets, rules: Mapping[str, counters.RuleCount], judged: list[Judged]
) -> Replay:
    verdicts, reasons = Counter({"pass": 0, "drop": 0}), Counter[str]()
    for each, frames in Counter(judged).items():
        verdicts[each.verdict] += frames
        reasons[each.reason] += frames
    return Replay(len(packets), sum(packets.wire), verdicts, reasons, rules, judged)
