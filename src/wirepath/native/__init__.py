"""The compiled extension: libbpf, bpf(2), and the loops that would be too slow in Python.

``lib`` has every function that the headers in this directory declare; ``ffi`` makes and reads the
buffers that they take.  Calls release the interpreter lock.  Functions return 0, a count or a
descriptor, or a negative errno; the headers say which.
"""

from typing import TYPE_CHECKING, Any

from wirepath.native._native import ffi, lib

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    # Before Python 3.12, numpy's arrays are not buffers to a type checker; Any lets them pass.
    Readable = ReadableBuffer | Any
    Writable = WriteableBuffer | Any

__all__ = ["ffi", "lib"]
