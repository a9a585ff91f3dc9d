"""Floods of millions of packets per second, from a generator that runs in the kernel.

A live-frame test run writes each packet and redirects it into a veth.  It arrives at the peer as if
from a wire, at its XDP program first.  The receiver runs on the CPU of the generator, in softirqs
that the kernel charges to the generator's thread or leaves to the CPU's ksoftirqd.
:attr:`FloodResult.cpu_ns` is the CPU time of both together.

Source: kernel net/bpf/test_run.c, ``bpf_test_run_xdp_live``.
"""

import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from wirepath.errors import RequestError, WirepathError
from wirepath.kernel.interface import Interface
from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file
from wirepath.lab.netns import Namespace
from wirepath.lab.traffic import Traffic

_FIRST_PPS: Final = 12_500.0  # assumed for the first burst; slow enough for any receiver
_NICE: Final = -10
_BURST_S: Final = 0.4  # per system call, which takes 30 ms to end; only then can a flood stop


@dataclass(frozen=True, slots=True)
class FloodResult:
    """The result of a flood.

    Attributes:
        packets: number of packets sent.
        seconds: time from the first packet to the last.
        cpu_s: CPU time of sending and receiving them.
        deferred_s: the part of it that ksoftirqd used; None if this process cannot see ksoftirqd,
            as in a container, and then *cpu_s* lacks it.
    """

    packets: int
    seconds: float
    cpu_s: float
    deferred_s: float | None = 0.0

    @property
    def pps(self) -> float:
        """Packets per second."""
        return self.packets / self.seconds if self.seconds else 0.0

    @property
    def cpu_ns(self) -> float:
        """CPU time per packet of the generator, the veth and the receiver, in ns."""
        return self.cpu_s / self.packets * 1e9 if self.packets else 0.0


class Flood:
    """A loaded packet generator; leaving its context stops and unloads it.

    Args:
        namespace: namespace of the near end of the veth.
        ifname: the near end; packets arrive at the other, which must have an XDP program or GRO.
        traffic: the packets to send.
        cpu: CPU of generator and receiver; if None, the last one that this process may use.

    Raises:
        RequestError: there is no such interface or CPU.
        KernelError: there is no such namespace, or the generator cannot be loaded.
    """

    def __init__(
        self, namespace: Namespace, ifname: str, traffic: Traffic, *, cpu: int | None = None
    ) -> None:
        self._namespace = namespace
        self._frame = traffic.frame
        allowed = os.sched_getaffinity(0)
        self._cpu = max(allowed) if cpu is None else cpu
        if self._cpu not in allowed:
            raise RequestError(f"flood {ifname}: no CPU {cpu} here (there are {sorted(allowed)})")
        self._softirqs = _ksoftirqd(self._cpu)
        with namespace.entered():
            ifindex = Interface.of(ifname).index
        self._object = _load(traffic, ifindex)
        self._program = self._object.programs[traffic.program]
        self._pps = _FIRST_PPS
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: WirepathError | None = None
        self._result = FloodResult(0, 0.0, 0.0)

    @property
    def sent(self) -> int:
        """Packets sent by this and all earlier runs, up to this moment."""
        sent: int = self._object.maps["bss"][0]["sent"]
        return sent

    @property
    def result(self) -> FloodResult:
        """The result of the current or last run so far, updated every 0.4 s."""
        return self._result

    @property
    def running(self) -> bool:
        """Whether the flood is sending."""
        return self._thread is not None and self._thread.is_alive()

    def run(self, *, seconds: float = 10.0, packets: int = 1 << 62) -> FloodResult:
        """Send until *seconds* have passed or *packets* are sent, whichever is first.

        Raises:
            KernelError: sending failed.
        """
        self.start(seconds=seconds, packets=packets)
        try:
            if self._thread:
                self._thread.join()
        finally:
            result = self.stop()
        return result

    def start(self, *, seconds: float, packets: int = 1 << 62) -> None:
        """Start sending in the background, for at most *seconds*.

        Raises:
            ValueError: the flood is running already.
        """
        if self.running:
            raise ValueError("the flood is running already")
        self._stop.clear()
        self._failure = None
        self._result = FloodResult(0, 0.0, 0.0)
        self._thread = threading.Thread(target=self._send, args=(seconds, packets), name="flood")
        self._thread.start()

    def stop(self) -> FloodResult:
        """Stop sending, within about 0.4 s; harmless if the flood has ended.

        Raises:
            KernelError: sending failed.
        """
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self._failure:
            raise self._failure
        return self._result

    def _send(self, seconds: float, packets: int) -> None:
        # The main thread handles signals; in this one they would interrupt a burst.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.sched_setaffinity(0, {self._cpu})
        # A real attacker has other machines, so other work on this one should not slow the flood.
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        sent, gone, begun = 0, 0.0, time.monotonic()
        cpu, softirqs = time.thread_time(), _cpu_time(self._softirqs)
        try:
            with self._namespace.entered():
                while sent < packets and gone < seconds and not self._stop.is_set():
                    burst = 1 + int(self._pps * min(_BURST_S, seconds - gone))
                    count = min(burst, packets - sent)
                    self._program.live_frames(self._frame, count=count)
                    sent, before, gone = sent + count, gone, time.monotonic() - begun
                    deferred = _cpu_time(self._softirqs) - softirqs
                    own = time.thread_time() - cpu
                    seen = deferred if self._softirqs else None
                    self._result = FloodResult(sent, gone, own + deferred, seen)
                    # A burst during which other work had the CPU says little about the next one.
                    self._pps = max(count / (gone - before), self._pps / 2)
        except WirepathError as error:
            self._failure = error  # stop() raises it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._object.__exit__(kind, error, trace)


# The file with the CPU time of ksoftirqd, the thread that runs deferred softirqs of a CPU.
# A container does not see it.
def _ksoftirqd(cpu: int) -> Path | None:
    name = f"ksoftirqd/{cpu}\n"
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            if comm.read_text() == name:
                return comm.with_name("schedstat")
    return None


def _cpu_time(softirqs: Path | None) -> float:
    return int((softirqs.read_text().split() or ["0"])[0]) / 1e9 if softirqs else 0.0


def _load(traffic: Traffic, ifindex: int) -> Object:
    loaded = Object.load(
        _object(),
        constants={"flood_config": {**traffic.config, "ifindex": ifindex}},
        sizes={name: len(rows) for name, rows in traffic.tables.items()},
        programs=[traffic.program],
    )
    for name, rows in traffic.tables.items():
        memory = loaded.maps[name].memory()
        stride = len(memory) // len(rows)  # array elements are rounded up to 8 bytes
        for column in range(rows.shape[1]):
            memory[column::stride] = rows[:, column].tobytes()
    return loaded


def _object() -> Path:
    return object_file().with_name("flood.bpf.o")  # in the same directory
