"""The build of the compiled extension, ``wirepath.native._native``.

cffi API mode: the C sources include the same headers that declare the functions to Python, so no
declaration is written twice.  Stable ABI (abi3): one wheel serves every CPython.
"""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent
BPF = HERE.parents[2] / "bpf"
# Relative to the project's root, as setuptools wants its sources.
SOURCES = sorted(str(c.relative_to(HERE.parents[2])) for c in HERE.glob("*/*.c"))
HEADERS = sorted(HERE.glob("*/*.h"))


def declarations(header: Path) -> str:
    """Return the part of *header* that cffi can parse: everything but the preprocessor lines."""
    lines = header.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


ffi = FFI()
for path in HEADERS:
    ffi.cdef(declarations(path))
ffi.set_source(
    "wirepath.native._native",
    "\n".join(f'#include "{h.relative_to(HERE)}"' for h in HEADERS),
    sources=SOURCES,
    include_dirs=[str(HERE), str(BPF)],
    libraries=["bpf"],
    depends=[str(header) for header in (*HEADERS, *sorted(BPF.glob("*/*_layout.h")))],
    extra_compile_args=[
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unused-parameter",
        "-std=gnu11",
    ],
    py_limited_api=True,
)
