"""The compiled program as an executor: frames in, verdicts out, attached to nothing.

`disagreements` compares it with the model: verdict, reason, rule and fault of every frame, and
the counters of every rule.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pytest

from wirepath.datapath.generation.load import Generation
from wirepath.datapath.generation.state import first_slots
from wirepath.datapath.live import counters
from wirepath.datapath.live.ban_filter import BanFilter
from wirepath.judge import judge_frames, judge_skbs
from wirepath.kernel.program import XdpAction
from wirepath.model import Model
from wirepath.net import Ban, Hook, Link, Verdict
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy
from wirepath.prefixes import Members

BANS = (
    256  # room in the table of bans: a million entries would take longer than the rest of the load
)
SECRET = tuple(0x9E3779B97F4A7C15 * n % (1 << 64) | 1 for n in range(1, 7))
_SHOWN = 5  # disagreements that are printed
_ACTIONS = {"pass": XdpAction.PASS, "drop": XdpAction.DROP, "tx": XdpAction.TX}
# TC_ACT_UNSPEC, TC_ACT_SHOT of linux/pkt_cls.h; packets that pass go on to other programs.
_TC_ACTIONS = {"pass": (1 << 32) - 1, "drop": 2}
_LOW = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame to be judged by an executor.

    Attributes:
        data: the bytes, as captured.
        wire_bytes: its length on the wire if a snap length cut it; None otherwise.
        now_ns: the time on the clock of the data plane.
        foreign: whether it is for another host's MAC.
    """

    data: bytes
    wire_bytes: int | None = None
    now_ns: int = 0
    foreign: bool = False

    @property
    def wire(self) -> int:
        return len(self.data) if self.wire_bytes is None else self.wire_bytes

    def __str__(self) -> str:
        cut = f" of {self.wire_bytes}" if self.wire_bytes is not None else ""
        return f"{len(self.data)}{cut} bytes {self.data.hex()}"


def moved(policy: Policy, hook: Hook) -> Policy:
    """Move every rule of *policy* to *hook*."""
    return replace(policy, rules=tuple(replace(rule, hooks=(hook,)) for rule in policy.rules))


class Xdp:
    """A policy loaded into the kernel; leaving the context unloads it.

    Args:
        policy: the policy.
        members: the contents of its sets, instead of those in the policy.
        hook: the hook at which frames are judged; all rules are moved there.
        link: the headers that frames begin with.
    """

    def __init__(
        self,
        policy: Policy,
        members: Members | None = None,
        hook: Hook = "ingress",
        link: Link = "ethernet",
    ) -> None:
        self.policy = policy = moved(policy, hook)
        self.hook = hook
        contents = read_contents(policy).members if members is None else members
        places = replace(first_slots(policy), counting={}, secret=SECRET)
        self.generation = Generation.load(
            policy, contents, replaying=True, sizes={"bans": BANS}, slots=places, hooks=[hook],
            link=link,
        )  # fmt: skip
        self.maps = self.generation.maps
        btf = self.generation.btf
        self._trace = np.dtype(btf.ctype("struct trace").dtype)
        self._names = {name: list(btf.enum(name)) for name in ("verdict", "reason", "fault")}
        self._slots = {rule.name: number for number, rule in enumerate(policy.rules)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.generation.close()

    def ban(self, bans: Iterable[Ban]) -> None:
        """Replace all bans by *bans*, whose expiry is on the clock of the frames."""
        table, lengths = self.maps["bans"], self.maps["ban_lengths"]
        for key, _ in list(table.items()):
            del table[key]
        bits = bytearray()
        for each in bans:
            prefix = each.prefix
            address = {"hi": prefix.address >> 64, "lo": prefix.address & _LOW}
            table[{"addr": address, "bits": prefix.bits, "scope": 0}] = {
                "expires_ns": each.expires_ns, "since_ns": 0, "packets": 0, "bytes": 0, "rule": 0,
            }  # fmt: skip
            if prefix.bits not in bits:
                bits.append(prefix.bits)
        BanFilter.of(self.maps).renew(keys for keys, _ in table.raw_batches())
        room = len(lengths[0]["bits"])
        lengths[0] = {
            "made": 0, "refused": 0, "set": 1,
            "count": len(bits), "bits": bytes(bits).ljust(room, b"\0"),
        }  # fmt: skip

    def judge(self, frames: Sequence[Sent]) -> list[Verdict]:
        """Run the program on each of *frames*, in order.

        Raises:
            AssertionError: the program's return value is not the verdict in its trace.
        """
        lengths = np.array([len(frame.data) for frame in frames], dtype=np.uint32)
        offsets = np.cumsum(lengths, dtype=np.uint64) - lengths
        traces = np.zeros(len(frames), dtype=self._trace)
        traces["now_ns"] = [frame.now_ns for frame in frames]
        traces["wire_bytes"] = [frame.wire for frame in frames]
        traces["foreign"] = [frame.foreign for frame in frames]
        data = b"".join(frame.data for frame in frames)
        judge = judge_frames if self.hook == "ingress" else judge_skbs
        returned = judge(self.generation.program, data, offsets, lengths, traces)
        verdicts = [self._verdict(trace) for trace in traces]
        actions = _ACTIONS if self.hook == "ingress" else _TC_ACTIONS
        for verdict, retval, frame in zip(verdicts, returned, frames, strict=True):
            assert retval == actions.get(verdict.verdict), f"{verdict} returns {retval}: {frame}"
        return verdicts

    def _verdict(self, trace: np.void) -> Verdict:
        verdict, reason, fault = (n[trace[field]] for field, n in self._names.items())
        rules = self.policy.rules
        rule = rules[trace["rule"]].name if trace["rule"] < len(rules) else None
        return Verdict(verdict, reason, rule, None if fault == "none" else fault)

    def forget(self) -> None:
        """Set the counters of all rules to 0."""
        counters = self.maps["rule_counters"]
        keys = np.arange(counters.max_entries, dtype=np.uint32).tobytes()
        counters.raw_update_batch(keys, bytes(counters.stride * counters.max_entries))

    def counted(self) -> dict[str, counters.RuleCount]:
        """Return the counters of every rule since the program was loaded, or since `forget`."""
        return counters.rules(self.maps, self._slots)


class Expected:
    """The model, with the counters that the program should have."""

    def __init__(self, model: Model) -> None:
        self.model = model
        rules = [rule.name for rule in model.policy.rules if rule.action.counts]
        self._counts = dict.fromkeys(rules, counters.RuleCount())

    def judge(self, frames: Iterable[Sent]) -> list[Verdict]:
        return [self._judge(frame) for frame in frames]

    def _judge(self, frame: Sent) -> Verdict:
        decision = self.model.decide(
            frame.data, frame.now_ns, frame.wire_bytes, foreign=frame.foreign
        )
        verdict = decision.verdict
        for name in decision.matched:
            dropped = verdict.verdict == "drop" and verdict.rule == name
            exceeded = dropped and verdict.reason == "limit_exceeded"
            count = self._counts[name]
            self._counts[name] = count.one_more(frame.wire, dropped=dropped, exceeded=exceeded)
        return verdict

    def counted(self) -> dict[str, counters.RuleCount]:
        return dict(self._counts)


def agree(xdp: Xdp, expected: Expected, frames: Sequence[Sent]) -> None:
    """Fail, showing the differences and the policy, unless both judge *frames* alike."""
    found = disagreements(xdp, expected, frames)
    if found:
        policy = json.dumps(xdp.policy.document())
        pytest.fail("\n".join([f"{len(found)} differ", *found[:_SHOWN], policy]), pytrace=False)


def disagreements(xdp: Xdp, expected: Expected, frames: Sequence[Sent]) -> list[str]:
    """Judge *frames* by both; return a line for each frame and each rule on which they differ."""
    found = [
        f"model {said}\n kernel {did}\n frame {frame}"
        for said, did, frame in zip(expected.judge(frames), xdp.judge(frames), frames, strict=True)
        if said != did
    ]
    said, did = expected.counted(), xdp.counted()
    found += [
        f"rule {name}: model {said[name]}, kernel {did[name]}"
        for name in said
        if said[name] != did[name]
    ]
    return found
