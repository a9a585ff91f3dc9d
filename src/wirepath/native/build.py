"""How the one compiled extension, ``wirepath.native._native``, is made.

cffi API mode: the headers beside this file are both what the C sources include and what Python
may call, so no declaration is written twice.  Stable ABI (abi3): one wheel serves every CPython.
"""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent
BPF = HERE.parents[2] / "bpf"
# Relative to the project's root, as setuptools wants its sources.
SOURCES = sorted(str(c.relative_to(HERE.parents[2])) for c in HERE.glob("*.c"))


def declarations(header: Path) -> str:
    """What cffi parses of *header*: all but the preprocessor lines."""
    lines = header.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


ffi = FFI()
for path in sorted(HERE.glob("*.h")):
    ffi.cdef(declarations(path))
ffi.set_source(
    "wirepath.native._native",
    "\n".join(f'#include "{h.name}"' for h in sorted(HERE.glob("*.h"))),
    sources=[s for s in SOURCES if not s.endswith("_native.c")],
    include_dirs=[str(HERE), str(BPF)],
    libraries=["bpf"],
    depends=[str(header) for header in (*HERE.glob("*.h"), *BPF.glob("*.h"))],
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
