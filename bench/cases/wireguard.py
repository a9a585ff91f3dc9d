"""A guarded WireGuard port: the cost of messages that pass and of those that do not."""

from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from hashlib import blake2s
from pathlib import Path
from statistics import median
from typing import Final

from results import Row, Table, costs
from wirepath.bench import subject
from wirepath.bench.path import BARE, Subject, compare, program
from wirepath.bench.wire import ADDRESS, MAC
from wirepath.lab.traffic import Traffic, from_sources, random_sources, udp

_SOURCES: Final = 100_000
_RUNS: Final = 20_000
_PORT: Final = 51820
_KEY: Final = bytes(range(32))
_DATA: Final = b"\4\0\0\0" + bytes(28)
_PLAIN: Final = b"\1\0\0\0" + bytes(112)  # an initiation up to its mac1
_GOALS: Final = {"guarded": 2.5}
_GOAL_NS: Final = 500
_RULE: Final = """\
[[rule]]
name = "wg"
match = {{ proto = "udp", dport = {port} }}
{action}
"""


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure the format check on the whole path, and the mac1 check by test runs."""
    guard = _policy(directory, "guard", "wireguard = {}")
    proof = _policy(
        directory, "proof", f'wireguard = {{ public_key = "{b64encode(_KEY).decode()}" }}'
    )
    count = _policy(directory, "count", "")
    subjects = [
        program(BARE, "bare_pass"),
        Subject("a rule that counts", partial(subject.attach, count)),
        Subject("guarded", partial(subject.attach, guard)),
    ]
    measured = compare(subjects, _from_many(_DATA), repetitions=repetitions)
    yield costs("data that passes, 100,000 sources, on to a closed port", measured, _GOALS)
    subjects = [
        program(BARE, "bare_drop"),
        Subject("no message", partial(subject.attach, guard), _from_many(bytes(32))),
        Subject("a wrong mac1", partial(subject.attach, proof)),
    ]
    measured = compare(subjects, _from_many(_PLAIN + bytes(32)), repetitions=repetitions)
    yield costs("what is dropped, 100,000 sources", measured)
    yield Table("one packet, by test run", list(_by_test_run(proof, repetitions)))


def _policy(directory: Path, name: str, action: str) -> Path:
    policy = directory / f"{name}.toml"
    policy.write_text(_RULE.format(port=_PORT, action=action))
    return policy


def _from_many(payload: bytes) -> Traffic:
    template = udp(ADDRESS, _PORT, payload=payload, mac=MAC)
    return from_sources(template, random_sources(_SOURCES))


def _by_test_run(policy: Path, repetitions: int) -> Iterator[Row]:
    # All runs see the same frame, so a correct initiation is a replay from the second run on.
    secret = blake2s(b"mac1----" + _KEY).digest()
    right = blake2s(_PLAIN, key=secret, digest_size=16).digest()
    frames = {
        "data": (_DATA, None),
        "an initiation, mac1 wrong": (_PLAIN + bytes(32), _GOAL_NS),
        "an initiation, mac1 right": (_PLAIN + right + bytes(16), _GOAL_NS),
    }
    with subject.loaded(policy) as generation:
        for name, (payload, goal) in frames.items():
            frame = udp(ADDRESS, _PORT, payload=payload, mac=MAC).frame
            runs = [
                float(generation.program.nanoseconds(frame, repeat=_RUNS))
                for _ in range(repetitions)
            ]
            yield Row(name, median(runs), "ns", min(runs), max(runs), goal=goal)
