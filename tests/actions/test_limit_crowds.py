"""Limits with many sources and on two CPUs: conforming packets pass, others do not."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.frames import Eth, IPv4, Udp
from harness.xdp import Xdp
from wirepath.actions.limit import CELLS
from wirepath.kernel.program import XdpAction
from wirepath.lab.traffic import random_sources
from wirepath.policy import Policy

pytestmark = pytest.mark.kernel

S = 1_000_000_000
_FRAME = np.frombuffer(bytes(Eth() / IPv4() / Udp()), dtype=np.uint8)
_SOURCE_AT = 26  # offset of the source address in an IPv4 frame


class Crowd:
    """A limit loaded into the kernel, which judges packets from many sources."""

    def __init__(self, xdp: Xdp) -> None:
        self._program = xdp.generation.program
        self._trace = np.dtype(xdp.generation.btf.ctype("struct trace").dtype)

    def passed(
        self, sources: NDArray[np.uint8], now_ns: int, step_ns: float = 0
    ) -> NDArray[np.bool_]:
        """Send a packet from each of *sources*, *step_ns* apart; return which of them passed."""
        count = len(sources)
        frames = np.tile(_FRAME, (count, 1))
        frames[:, _SOURCE_AT : _SOURCE_AT + 4] = sources
        traces = np.zeros(count, dtype=self._trace)
        traces["now_ns"] = now_ns + (np.arange(count) * step_ns).astype(np.uint64)
        traces["wire_bytes"] = len(_FRAME)
        offsets = np.arange(count, dtype=np.uint64) * len(_FRAME)
        lengths = np.full(count, len(_FRAME), dtype=np.uint32)
        data = frames.reshape(-1)
        returned = self._program.test_runs(data, offsets, lengths, traces.view(np.uint8))
        return np.frombuffer(returned, dtype=np.uint32) == XdpAction.PASS


@contextmanager
def crowd(limit: str) -> Iterator[Crowd]:
    with Xdp(Policy.parse(f'[[rule]]\nname = "slow"\nlimit = {{ {limit} }}\n')) as xdp:
        yield Crowd(xdp)


@pytest.mark.parametrize("kind", ["", ", exact = true"])
@pytest.mark.parametrize("keys", [1, 100])
def test_two_cpus_pass_what_one_would(kind: str, keys: int) -> None:
    """At one moment, and again when part of the burst is back: not one packet more passes."""
    sources = np.tile(random_sources(keys), (40_000 // keys, 1))
    with crowd(f'rate = "100/s", burst = 90, per = "src"{kind}') as it, ThreadPoolExecutor() as two:
        for now, due in ((S, 90), (S + S // 10, 10)):
            ran = two.map(lambda _, at=now: it.passed(sources, at), range(2))
            assert sum(int(passed.sum()) for passed in ran) == due * keys


def test_a_hundred_thousand_sources_have_their_bursts() -> None:
    """All at one moment; sources that share a bucket with seven others lose a few packets."""
    sources = random_sources(100_000)
    with crowd('rate = "5/min", per = "src"') as it:
        passed = np.array([it.passed(sources, S) for _ in range(6)])
        assert passed[:5].mean() > 0.992
        assert not passed[5].any()
        later = np.array([it.passed(sources, 13 * S) for _ in range(2)])
        assert later[0].mean() > 0.99
        assert later[1].mean() < 0.001


def test_a_flood_of_five_million_sources_hurts_nobody() -> None:
    """A hundred sources at half their rate all pass, in 5 Mpps from sources that come once."""
    rng = np.random.default_rng(1)
    quiet = random_sources(100, seed=2)
    with crowd('rate = "100/s", per = "src"') as it:
        lost = 0
        for part in range(50):
            flood = rng.integers(0, 256, (100_000, 4), dtype=np.uint8)
            flood[:, 0] |= 0x80
            start = S + part * 20_000_000
            lost += 100_000 - int(it.passed(flood, start, step_ns=200).sum())
            assert it.passed(quiet & 0x7F, start + 20_000_000).all()
        assert lost < 500  # of 5,000,000


def test_more_keys_than_cells_share_rates_and_do_not_escape_them() -> None:
    with crowd('rate = "1/s", per = "src", keys = 1000') as it:
        cells = 256 * CELLS
        sources = random_sources(50 * cells)
        assert it.passed(sources, S).sum() <= cells
        assert it.passed(sources[::-1], S + S // 2).sum() <= cells
        # A source that has used its burst up is not forgotten, however many others come.
        first = sources[:1]
        assert not it.passed(first, S + S // 2).any()


def test_a_limit_that_bans_does_not_ban_for_what_others_did() -> None:
    with crowd('rate = "1/s", per = "src", keys = 1000, ban = "1h"') as it:
        sources = random_sources(50_000)
        it.passed(sources, S)
        assert it.passed(sources[::-1], 3 * S).mean() > 0.999


@pytest.mark.parametrize("keys", [1, 100, 5000])
def test_exact_keys_are_all_remembered(keys: int) -> None:
    """An exact limit remembers as many keys as configured, on any CPU."""
    sources = random_sources(keys)
    with crowd(f'rate = "1/h", per = "src", keys = {keys}, exact = true') as it:
        assert it.passed(sources, S).all()
        with ThreadPoolExecutor() as two:
            ran = two.map(lambda _: it.passed(sources, S), range(2))
            assert not any(passed.any() for passed in ran)
