"""Maps in the kernel, accessed by entry, by batch, summed over CPUs, or as plain memory."""

from __future__ import annotations

import mmap
import time
from array import array
from errno import E2BIG, ENOENT, ENOMEM, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from wirepath.errors import FullError
from wirepath.kernel.btf import Btf
from wirepath.kernel.ctype import CType, Integer, Octets
from wirepath.kernel.handle import Handle, checked, open_pin, telling
from wirepath.native import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wirepath.native import Readable

# Types of maps (enum bpf_map_type of linux/bpf.h): the per-CPU maps,
_PER_CPU: Final = frozenset({5, 6, 10, 21})
# and the arrays, whose keys are indexes even where BTF does not say so (sections of variables).
_ARRAYS: Final = frozenset({2, 6})
_BATCH: Final = 16384  # entries per system call when reading
_FEW: Final = 4096  # entries that are read before the kernel is asked for their number
# A hash that is not preallocated gets memory for new entries in the background.
_WAIT_S: Final = 0.001
_WAITS: Final = 100  # without any entry written


class Map(Handle):
    """One map, typed by the BTF that the kernel keeps with it.

    Keys and values are Python values as in ``ctype``: ints, dicts, bytes. Reading an entry of a
    per-CPU map gives a list, one value per CPU. Writing one stores the value for the first CPU and
    zeros for all others, so that the sum is the value written.

    Attributes:
        id: the kernel's number for it, never used twice.
        name: the C name, cut to 15 characters.
        key_size, value_size: in bytes; for one CPU.
        max_entries: capacity.
        flags: BPF_F_*.
        per_cpu: whether each entry has a value for every possible CPU.
        stride: bytes per entry in a batch of values; per-CPU values are each rounded up to 8.
    """

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._info = info = ffi.new("struct wp_map_info *")
        checked(lib.wp_map_info(fd, info), "read map")
        self.id: int = info.id
        self.name = ffi.string(info.name).decode()
        self.key_size: int = info.key_size
        self.value_size: int = info.value_size
        self.max_entries: int = info.max_entries
        self.flags: int = info.flags
        self.per_cpu = info.type in _PER_CPU
        self.stride = _round8(self.value_size) * _cpus() if self.per_cpu else self.value_size

    def __repr__(self) -> str:
        return f"<map {self.name} id={self.id}>"

    @classmethod
    def open(cls, pin: Path) -> Self:
        """Open a pinned map.

        Raises:
            PinError: no map is pinned at *pin*.
        """
        return cls(open_pin(pin, "bpf-map"))

    @classmethod
    def by_id(cls, number: int) -> Self:
        """Open the map with this ID.

        Raises:
            KernelError: there is no such map, or this process may not open it.
        """
        return cls(checked(lib.bpf_map_get_fd_by_id(number), f"open map {number}"))

    @classmethod
    def record(cls, name: str, size: int) -> Self:
        """Make an array with one value of *size* bytes, which only user space uses.

        Raises:
            KernelError: the kernel refuses.
        """
        doing = f"make map {name}"
        return cls(checked(lib.wp_record_map(name.encode(), _round8(size)), doing))

    @property
    def memory_bytes(self) -> int:
        """The memory that it occupies, as the kernel accounts for it."""
        with telling(f"look at map {self.name}"):
            lines = Path(f"/proc/self/fdinfo/{self.fd}").read_text().splitlines()
        known = (line.partition(":") for line in lines)
        return next((int(value) for key, _, value in known if key == "memlock"), 0)

    @property
    def btf(self) -> Btf:
        """The types of the object that the map was created for; see ``Btf.of_kernel``."""
        return Btf.of_kernel(self._info.btf_id)

    @property
    def key(self) -> CType:
        """The type of a key; bytes if the object does not say."""
        if self._info.type in _ARRAYS:
            return Integer("__u32", self.key_size)
        return self._ctype(self._info.key_type, self.key_size)

    @property
    def value(self) -> CType:
        """The type of a value; bytes if the object does not say."""
        return self._ctype(self._info.value_type, self.value_size)

    def _ctype(self, number: int, size: int) -> CType:
        if not (self._info.btf_id and number):
            return Octets(self.name, size)
        return Btf.of_kernel(self._info.btf_id).ctype(number)

    # Entries

    def __getitem__(self, key: object) -> Any:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def get(self, key: object) -> Any:
        """Read one value; None if there is no such key.

        Raises:
            KernelError: the map cannot be read.
        """
        raw = ffi.new("uint8_t[]", self.stride)
        result = lib.bpf_map_lookup_elem(self.fd, self.key.pack(key), raw)
        if result == -ENOENT:
            return None
        checked(result, f"read map {self.name}")
        return self._unpacked(bytes(ffi.buffer(raw)), 0)

    def __setitem__(self, key: object, value: object) -> None:
        packed = self.value.pack(value).ljust(self.stride, b"\0")
        result = lib.bpf_map_update_elem(self.fd, self.key.pack(key), packed, 0)
        checked(result, f"write map {self.name}", cure=self._cure(result))

    def __delitem__(self, key: object) -> None:
        result = lib.bpf_map_delete_elem(self.fd, self.key.pack(key))
        if result == -ENOENT:
            raise KeyError(key)
        checked(result, f"shrink map {self.name}")

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Yield every ``(key, value)``. Entries that change meanwhile may be missing or come twice.

        Raises:
            KernelError: the map cannot be read.
        """
        for keys, values in self.raw_batches():
            for entry in range(len(keys) // self.key_size):
                yield (
                    self.key.read(keys, entry * self.key_size),
                    self._unpacked(values, entry * self.stride),
                )

    def _unpacked(self, raw: bytes, offset: int) -> Any:
        if not self.per_cpu:
            return self.value.read(raw, offset)
        step = _round8(self.value_size)
        return [self.value.read(raw, offset + at) for at in range(0, self.stride, step)]

    # Batches

    def raw_batches(self, size: int = _BATCH) -> Iterator[tuple[bytes, bytes]]:
        """Yield packed keys and values, up to about *size* entries at a time.

        Each pair is ``(n * key_size bytes, n * stride bytes)``.

        Raises:
            KernelError: the map cannot be read.
        """
        size = min(size, self.max_entries)
        cookies = [ffi.new("uint8_t[]", max(8, self.key_size)) for _ in range(2)]
        start, count = ffi.NULL, ffi.new("uint32_t *")
        result = 0
        while result != -ENOENT:
            keys = ffi.new("uint8_t[]", size * self.key_size)
            values = ffi.new("uint8_t[]", size * self.stride)
            count[0] = size
            result = lib.wp_map_lookup_batch(self.fd, start, cookies[1], keys, values, count)
            if result == -ENOSPC:
                size *= 2
                continue
            if result != -ENOENT:
                checked(result, f"read map {self.name}")
            if count[0]:
                yield (
                    bytes(ffi.buffer(keys, count[0] * self.key_size)),
                    bytes(ffi.buffer(values, count[0] * self.stride)),
                )
            cookies.reverse()
            start = cookies[0]

    def count(self) -> int:
        """Count the entries; most of a large hash is not read if the kernel knows their number.

        Raises:
            KernelError: the map cannot be read.
        """
        counted = 0
        for batch, (keys, _) in enumerate(self.raw_batches(_FEW)):
            if batch == 1 and (known := int(lib.wp_map_count(self.fd))) >= 0:
                return known
            counted += len(keys) // self.key_size
        return counted

    def raw_update_batch(self, keys: Readable, values: Readable) -> int:
        """Write entries at once; keys and values are packed as in ``raw_batches``.

        Returns:
            The number of entries, all of which were written.

        Raises:
            FullError: the map is full; the error has the number of entries written.
            KernelError: the map cannot be written.
            ValueError: the buffers do not hold the same number of entries.
        """
        n = self._entries(keys)
        if memoryview(values).nbytes != n * self.stride:
            raise ValueError(f"{n} keys, {memoryview(values).nbytes} bytes of values")
        source, of_values = ffi.from_buffer("uint8_t[]", keys), ffi.from_buffer("uint8_t[]", values)
        count, written, waits = ffi.new("uint32_t *"), 0, 0
        while written < n:
            count[0] = n - written
            result = lib.wp_map_update_batch(
                self.fd, source + written * self.key_size, of_values + written * self.stride, count
            )
            done = 0 if result == -ENOMEM and count[0] == n - written else count[0]
            written, waits = written + done, 0 if done else waits + 1
            if result == -ENOMEM and waits <= _WAITS:
                time.sleep(_WAIT_S)
                continue
            doing = f"write map {self.name}, {written} of {n} entries written"
            if result == -E2BIG:
                raise FullError(doing, written, cure=self._cure(result))
            checked(result, doing)
        return n

    def raw_delete_batch(self, keys: Readable) -> int:
        """Delete entries by key; keys that are not in the map are skipped, at one system call each.

        Returns:
            The number of entries deleted.

        Raises:
            KernelError: the map cannot be written.
        """
        n, at, deleted = self._entries(keys), 0, 0
        source, count = ffi.from_buffer("uint8_t[]", keys), ffi.new("uint32_t *")
        while at < n:
            count[0] = n - at
            result = lib.wp_map_delete_batch(self.fd, source + at * self.key_size, count)
            if result != -ENOENT:
                checked(result, f"shrink map {self.name}")
            deleted += count[0]
            at += count[0] + (result == -ENOENT)
        return deleted

    def _entries(self, keys: Readable) -> int:
        n, rest = divmod(memoryview(keys).nbytes, self.key_size)
        if rest:
            raise ValueError(f"keys of map {self.name} have {self.key_size} bytes")
        return n

    def _cure(self, result: int) -> str:
        return f"it is full, with {self.max_entries} entries" if result == -E2BIG else ""

    # Whole maps

    def totals(self) -> array[int]:
        """Sum a per-CPU array over all CPUs, word by word.

        Returns:
            ``value_size / 8`` sums of 64 bits for each entry, in order of entries.

        Raises:
            KernelError: the map cannot be read, or is not a per-CPU array.
            ValueError: values are not made of 64-bit words.
        """
        words, rest = divmod(self.value_size, 8)
        if rest or not self.per_cpu:
            raise ValueError(f"map {self.name} does not hold 64-bit counters for every CPU")
        sums = array("Q", bytes(8 * words * self.max_entries))
        out = ffi.from_buffer("uint64_t[]", sums)
        result = lib.wp_map_totals(self.fd, self.max_entries, words, _cpus(), out)
        checked(result, f"sum map {self.name}")
        return sums

    def memory(self, *, writable: bool = True) -> memoryview:
        """Map an array into this process, so that access needs no system calls.

        Needs BPF_F_MMAPABLE. Elements are at multiples of their size rounded up to 8. The memory
        stays valid as long as the view or any view made from it, even after the handle is closed.

        Args:
            writable: programs see writes at once. A frozen map cannot be mapped writable, and a
                map cannot be frozen while a writable mapping exists.

        Raises:
            KernelError: the map allows no such mapping.
        """
        size = _round8(self.value_size) * self.max_entries
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        whole = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        with telling(f"share memory of map {self.name}"):
            return memoryview(mmap.mmap(self.fd, whole, mmap.MAP_SHARED, protection))[:size]

    def freeze(self) -> None:
        """Forbid all writes from user space from now on; programs may still write.

        Raises:
            KernelError: a writable mapping of the map exists (EBUSY).
        """
        checked(lib.bpf_map_freeze(self.fd), f"freeze map {self.name}")


def _round8(size: int) -> int:
    return -(-size // 8) * 8


# Possible CPUs, not online ones: per-CPU maps have values for CPUs that may be plugged in later.
def _cpus() -> int:
    return checked(lib.libbpf_num_possible_cpus(), "count CPUs")
