"""Frames of a capture judged by a policy, at the capture's own clock, attached to nothing.

The real program runs on every frame by test run; or the Python model decides, without privilege.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.datapath.live import counters
from wirepath.kernel.program import skb_dtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import SupportsBytes

    from _typeshed import ReadableBuffer
    from numpy.typing import NDArray

    from wirepath.datapath.generation.load import Generation
    from wirepath.kernel.program import Program
    from wirepath.net import Hook
    from wirepath.pcap import Capture, Frame
    from wirepath.policy import Policy

_FRAME_BYTES_MAX: Final = 65_557  # two VLAN tags and the largest packet; the rest is none's
_CHUNK: Final = 65_536  # frames a call into C: some 0.1 s, so that an interrupt is heard


class Judged(NamedTuple):
    """What became of one frame, by name; *rule* is the one that decided, if one did."""

    verdict: str
    reason: str
    rule: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Replay:
    """What became of the frames of a capture.

    Attributes:
        frames, bytes: that it has; bytes as they were on the wire.
        verdicts, reasons: frames by name.
        rules: by name, in the order of the policy.
        judged: frame by frame.
    """

    frames: int
    bytes: int
    verdicts: Mapping[str, int]
    reasons: Mapping[str, int]
    rules: Mapping[str, counters.RuleCount]
    judged: Sequence[Judged]

    def __repr__(self) -> str:
        verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in self.verdicts.items())
        return f"<replay of {self.frames:,} frame{'s' * (self.frames != 1)}: {verdicts}>"

    def document(self, *, frames: bool = False) -> dict[str, Any]:
        """Give it as plain values, for JSON; with every frame, numbered from 1, if asked."""
        document: dict[str, Any] = {
            "frames": self.frames,
            "bytes": self.bytes,
            "verdicts": dict(self.verdicts),
            "reasons": dict(self.reasons),
            "rules": {name: count.document() for name, count in self.rules.items()},
        }
        if frames:
            document["frames_detail"] = [
                {"n": n, **judged._asdict()} for n, judged in enumerate(self.judged, 1)
            ]
        return document


def replay(
    policy: Policy,
    capture: str | Path | Capture | Iterable[SupportsBytes | Frame],
    *,
    hook: Hook = "ingress",
    model: bool = False,
    skip_bad: bool = False,
) -> Replay:
    """Judge every frame of *capture* by *policy*, attached to nothing.

    Args:
        policy: a valid one.
        capture: a pcap or pcapng file, by its path or as it was read; or frames, each as bytes
            from the Ethernet header on.
        hook: where the frames are; rules for others are not among those of the result.
        model: whether the Python model decides, which needs no privilege and is slow.
        skip_bad: whether to go without the bad lines of set files.

    Raises:
        CaptureError: the file cannot be read as a capture.
        PolicyError: a list has bad lines.
        KernelError: the program cannot be loaded or run.
    """
    from wirepath.pcap import Capture, read_capture

    if isinstance(capture, Capture):
        return _replay(policy, capture, hook, model=model, skip_bad=skip_bad)
    made = read_capture(capture) if isinstance(capture, str | Path) else Capture.of(capture)
    with made as opened:
        return _replay(policy, opened, hook, model=model, skip_bad=skip_bad)


def _replay(policy: Policy, capture: Capture, hook: Hook, *, model: bool, skip_bad: bool) -> Replay:
    from wirepath.plan.set_files import read_contents

    contents = read_contents(policy, skip_bad=skip_bad)
    if model:
        return _by_model(policy, contents.members, capture, hook)
    from wirepath.datapath.generation.load import Generation
    from wirepath.plan.actions import bans

    # There are no bans but those of limits; without any, their table need not have its room.
    sizes = {} if bans(policy) else {"bans": 1}
    with Generation.load(
        policy, contents.members, sizes=sizes, hooks=[hook], replaying=True
    ) as generation:
        traces = _traces(generation, capture, hook)
        judged = _named(generation, policy, traces)
        here = policy.at(hook).rules
        slots = {r.name: number for number, r in enumerate(policy.rules) if r in here}
        return _summed(capture, counters.rules(generation.maps, slots), judged)


# What the program wrote of every frame.
def _traces(generation: Generation, capture: Capture, hook: Hook) -> NDArray[Any]:
    import numpy as np

    traces = np.zeros(len(capture), dtype=np.dtype(generation.btf.ctype("struct trace").dtype))
    traces["now_ns"] = capture.times_ns
    traces["wire_bytes"] = capture.wire
    offsets = memoryview(capture.offsets)
    lengths = np.minimum(np.asarray(capture.captured), np.uint32(_FRAME_BYTES_MAX))
    judge = judge_frames if hook == "ingress" else judge_skbs
    for start in range(0, len(capture), _CHUNK):
        part = slice(start, start + _CHUNK)
        judge(generation.program, capture.data, offsets[part], lengths[part], traces[part])
    return traces


def judge_frames(
    program: Program,
    data: ReadableBuffer,
    offsets: ReadableBuffer,
    lengths: ReadableBuffer,
    traces: NDArray[Any],
) -> array[int]:
    """Run an XDP program on frames; *traces* go in front of them and come back.

    Returns:
        What it returned for each.
    """
    return program.test_runs(data, offsets, lengths, traces.view("u1"))


def judge_skbs(
    program: Program,
    data: ReadableBuffer,
    offsets: ReadableBuffer,
    lengths: ReadableBuffer,
    traces: NDArray[Any],
) -> array[int]:
    """Do the same with a TC program, which finds what is in *traces* beside the frame."""
    import numpy as np

    skbs: NDArray[Any] = np.zeros(len(traces), dtype=np.dtype(skb_dtype()))  # type: ignore[call-overload]
    skbs["tstamp"], skbs["mark"] = traces["now_ns"], traces["wire_bytes"]
    program.skb_runs(data, offsets, lengths, skbs)
    for place, name in enumerate(("verdict", "reason", "fault", "rule")):
        traces[name] = skbs["cb"][:, place]
    return array("I", skbs["retval"].tobytes())


def _named(generation: Generation, policy: Policy, traces: NDArray[Any]) -> list[Judged]:
    import numpy as np

    btf = generation.btf
    verdicts, reasons = (list(btf.enum(name)) for name in ("verdict", "reason"))
    rules: list[str | None] = [*(rule.name for rule in policy.rules), None]
    # Few outcomes are different, so each is made once; as one number, they sort fast.
    shape = (len(verdicts), len(reasons), len(rules))
    rule = np.minimum(traces["rule"], len(policy.rules))
    keys = np.ravel_multi_index((traces["verdict"], traces["reason"], rule), shape)
    different, which = np.unique(keys, return_inverse=True)
    outcomes = [
        Judged(verdicts[v], reasons[r], rules[n])
        for v, r, n in zip(*np.unravel_index(different, shape), strict=True)
    ]
    return [outcomes[i] for i in which.tolist()]


def _by_model(policy: Policy, members: Any, capture: Capture, hook: Hook) -> Replay:
    from wirepath.model import Model
    from wirepath.prefixes import Tables
    from wirepath.prefixes.offline import by_name, offline

    decider = Model(policy, by_name(offline(Tables.build(members)), policy.sets), hook=hook)
    counts = {r.name: counters.RuleCount() for r in decider.policy.rules if r.action.counts}
    judged = []
    for frame in capture:
        decision = decider.decide(frame.data, frame.time_ns, frame.wire_bytes)
        verdict = decision.verdict
        judged.append(Judged(verdict.verdict, verdict.reason, verdict.rule))
        for name in decision.matched:
            dropped = verdict.verdict == "drop" and verdict.rule == name
            exceeded = dropped and verdict.reason == "limit_exceeded"
            counts[name] = counts[name].one_more(
                frame.wire_bytes, dropped=dropped, exceeded=exceeded
            )
    return _summed(capture, counts, judged)


def _summed(
    capture: Capture, rules: Mapping[str, counters.RuleCount], judged: list[Judged]
) -> Replay:
    verdicts, reasons = Counter({"pass": 0, "drop": 0}), Counter[str]()
    for each, frames in Counter(judged).items():
        verdicts[each.verdict] += frames
        reasons[each.reason] += frames
    return Replay(len(capture), sum(capture.wire), verdicts, reasons, rules, judged)
