"""The two compiled parts of the package; everything else stands in pyproject.toml.

The BPF object comes from ``make bpf`` (clang), the extension from cffi.
"""

import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from wheel.bdist_wheel import bdist_wheel

OBJECT = Path("build/datapath.bpf.o")


class BuildWithObject(build_py):
    """Compile the data plane and lay it inside the package."""

    def run(self) -> None:
        subprocess.run(["make", "--silent", "bpf"], check=True)
        super().run()
        if not self.editable_mode:
            shutil.copy(OBJECT, Path(self.build_lib, "wirepath", OBJECT.name))


class StableAbiWheel(bdist_wheel):
    """Tag the wheel abi3: the extension uses the limited API only."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.py_limited_api = "cp311"


setup(
    cffi_modules=["src/wirepath/native/build.py:ffi"],
    cmdclass={"build_py": BuildWithObject, "bdist_wheel": StableAbiWheel},
)
