"""The build of the two compiled parts of the package; everything else is in pyproject.toml.

``make`` builds the BPF objects with clang, cffi builds the extension.
"""

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

OBJECTS = tuple(
    Path(f"build/{name}.bpf.o") for name in ("datapath", "mirror", "flood", "port", "bare")
)


class BuildWithObjects(build_py):
    """Compile the data plane and the programs of lab and bench, and copy them into the package."""

    def run(self) -> None:
        # The job server of an outer make is not available to this one.
        environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
        subprocess.run(["make", "--silent", *map(str, OBJECTS)], check=True, env=environment)
        super().run()
        if not self.editable_mode:
            for compiled in OBJECTS:
                shutil.copy(compiled, Path(self.build_lib, "wirepath", compiled.name))


class StableAbiWheel(bdist_wheel):
    """Tag the wheel abi3, since the extension uses only the limited API."""

    def finalize_options(self) -> None:
        self.py_limited_api = "cp311"
        super().finalize_options()


setup(
    cffi_modules=["src/wirepath/native/build.py:ffi"],
    cmdclass={"build_py": BuildWithObjects, "bdist_wheel": StableAbiWheel},
)
