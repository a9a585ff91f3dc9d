"""The place of the compiled data plane."""

from pathlib import Path

import wirepath


def object_file(name: str = "datapath") -> Path:
    """Find a compiled object, inside the package or in the directory where ``make bpf`` puts it."""
    packaged = Path(wirepath.__file__).with_name(f"{name}.bpf.o")
    built = packaged.parents[2] / "build" / packaged.name
    return packaged if packaged.exists() or not built.exists() else built
