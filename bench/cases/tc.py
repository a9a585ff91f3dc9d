"""The hooks of TC: rules that match nothing, compared with tc's own filters and nftables.

Passed packets take the shortest path, so that it hides little of the cost of the hook.  At egress
they go through a bridge.  At tc_ingress they go to a closed port; in a second case they are for
another host, and the stack drops them right after the hook, which hides nothing.
"""

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Final

import rulesets
from results import Row, Table, added, costs
from rulesets import Rule
from wirepath.bench import peers, subject
from wirepath.bench.path import BARE, Subject, compare, program
from wirepath.bench.tools import Lacking
from wirepath.bench.wire import IFNAME, Wire, home, past, through, wire
from wirepath.kernel.object import Object
from wirepath.kernel.program import Program
from wirepath.kernel.tcx import Direction
from wirepath.lab.traffic import of_frames

_COUNTS: Final = (1, 100, 1_000)
_GOAL: Final = 1.3
_FRAMES: Final = 100_000
_NOTHING: Final = "no program"

Way = tuple[Direction, str, Callable[[str], AbstractContextManager[Wire]]]
"""A hook, the path of passed packets, and the function that makes a wire for it."""

_WAYS: Final[Sequence[Way]] = (
    ("egress", "through a bridge", through),
    ("tc_ingress", "on to a closed port", partial(home, network=rulesets.INSIDE)),
    ("tc_ingress", "dropped right after it", past),
)
_TEST_FRAMES: Final = 20
_RUNS: Final = 20_000  # per frame
_NEXT: Final = 0xFFFFFFFF  # TC_ACT_UNSPEC


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure the whole path at both hooks, then the programs alone."""
    rules = rulesets.draw("realistic", max(_COUNTS))
    frames = rulesets.misses(rules, _FRAMES)
    flower = _has_flower(rules[:1])
    for hook, way, wires in _WAYS:
        policies = _policies(directory, hook, rules)
        ours = {name: partial(subject.attach_at, policy, hook) for name, policy in policies.items()}
        subjects = [
            program(BARE, "bare_next", hook),
            Subject(_NOTHING, lambda _: nullcontext()),
            *(Subject(name, attach) for name, attach in ours.items()),
            *_others(hook, rules, flower=flower),
        ]
        measured = compare(subjects, of_frames(frames), repetitions=repetitions, wires=wires)
        title = f"{hook}, {way}, no rule matches, {_FRAMES:,} packets"
        yield costs(title, measured, dict.fromkeys(ours, _GOAL))
        yield added(f"{title}: what each adds to no program", measured, _NOTHING)
    yield _alone(directory, rules, frames[:_TEST_FRAMES], repetitions)


def _policies(directory: Path, hook: Direction, rules: Sequence[Rule]) -> dict[str, Path]:
    policies = {}
    for count in (*_COUNTS, 0):
        name = f"wirepath, {_rules(count)}"
        policies[name] = directory / f"{hook}-{count}.toml"
        text = rulesets.wirepath_policy(rules[:count], hook=hook, default="pass")
        policies[name].write_text(text)
    return policies


def _others(hook: Direction, rules: Sequence[Rule], *, flower: bool) -> Iterator[Subject]:
    words: dict[str, Callable[[Sequence[Rule]], Iterable[str]]] = {"tc u32": rulesets.u32_filters}
    if flower:
        words["tc flower"] = rulesets.flower_filters
    for count in _COUNTS:
        for name, write in words.items():
            filters = partial(peers.tc_filters, write(rules[:count]), hook)
            yield Subject(f"{name}, {_rules(count)}", filters)
        chain = partial(peers.nft_netdev, rulesets.nft_rules(rules[:count]), hook)
        yield Subject(f"nft, {_rules(count)}", chain)


def _rules(count: int) -> str:
    return f"{count:,} rule{'' if count == 1 else 's'}"


def _has_flower(rules: Sequence[Rule]) -> bool:
    with wire("flower") as way, way.receiver.entered():
        try:
            with peers.tc_filters(rulesets.flower_filters(rules), "tc_ingress", IFNAME):
                return True
        except Lacking:
            print("this kernel has no flower (CONFIG_NET_CLS_FLOWER)")
            return False


# One hook is enough, since both run the same code.  Few frames, so that memory is cached.
def _alone(
    directory: Path, rules: Sequence[Rule], frames: Sequence[bytes], repetitions: int
) -> Table:
    hook: Direction = "egress"
    with ExitStack() as stack:
        programs = {
            name: stack.enter_context(subject.loaded(policy, hook)).program
            for name, policy in _policies(directory, hook, rules).items()
        }
        bare = stack.enter_context(Object.load(BARE, programs=["bare_next"]))
        programs |= bare.programs
        runs: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(repetitions):
            for name, it in programs.items():
                runs[name].append(_nanoseconds(it, frames, directory / "frame"))
    first = next(iter(runs.values()))
    rows = [
        Row(name, median(each), "ns", min(each), max(each), _ratio(each, first))
        for name, each in runs.items()
    ]
    return Table(f"{hook}, no rule matches, by test run", rows)


def _ratio(runs: Sequence[float], first: Sequence[float]) -> float:
    return median(a / b for a, b in zip(runs, first, strict=True))


# The kernel reports whole nanoseconds per frame; the mean over frames is finer.
def _nanoseconds(it: Program, frames: Sequence[bytes], file: Path) -> float:
    took = []
    for frame in frames:
        file.write_bytes(frame)
        argv = ["bpftool", "-j", "prog", "run", "id", str(it.id), "data_in", str(file)]
        argv += ["repeat", str(_RUNS)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        result = json.loads(done.stdout)
        if result["retval"] not in (_NEXT, -1):
            raise AssertionError(f"a frame that nothing matches was not passed: {result}")
        took.append(result["duration"])
    return mean(took)
