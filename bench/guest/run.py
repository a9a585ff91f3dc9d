"""Run a Python file of the project under another kernel: ``python bench/guest/run.py KERNEL FILE``.

KERNEL is a directory with an unpacked Debian kernel package::

    apt-get download linux-image-6.1.0-56-cloud-amd64 && dpkg -x linux-image-*.deb KERNEL

The guest runs from an initramfs with Python, the project's packages and objects, iproute2 and
iperf3.  QEMU emulates the CPU (TCG), so durations in the guest mean nothing, but rates that it
keeps do.  Needs qemu-system-x86 and busybox-static; changes nothing outside a temporary directory.
"""

import argparse
import lzma
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_MODULES: Final = (
    "crc32c_generic", "veth", "sch_fq", "sch_ingress", "cls_bpf", "nf_conntrack", "ip_gre",
    "ip6_gre",
)  # fmt: skip
_TOOLS: Final = ("busybox", "ip", "tc", "ss", "ping", "iperf3")
_PACKAGES: Final = ("numpy", "numpy.libs", "pyroute2", "cffi", "win_inet_pton.py")
_NOT_NEEDED: Final = ("test", "tests", "idlelib", "ensurepip", "tkinter", "*.a")
_QEMU: Final = (
    "qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "2048",
    "-nographic", "-no-reboot", "-nic", "none",
)  # fmt: skip
_INIT: Final = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /var
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox mount -t tmpfs none /run
/bin/busybox mount -t tmpfs none /tmp
/bin/busybox mount -t bpf none /sys/fs/bpf
/bin/busybox ln -s /run /var/run
export PATH=/bin PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH=/guest/src:/guest/tests:/guest/bench:/guest/packages
for module in {modules}; do busybox insmod /modules/$module.ko || echo "no $module"; done
ip link set lo up
cd /guest && python3 {file} {arguments}
echo "guest: exit $?"
busybox poweroff -f
"""


@dataclass(frozen=True)
class Guest:
    """What to boot, and with what.

    Attributes:
        kernel: where a kernel package was unpacked to.
        file: to run, below the project's directory.
        arguments: of the file.
        modules, tools: to pack besides those that every guest has; modules that the kernel does not
            have as such are left out.
        qemu: further options of QEMU.
        log: where the console's output goes too, as it comes; None: nowhere.
        limit_s: after how long the guest is ended.
    """

    kernel: Path
    file: Path
    arguments: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    qemu: tuple[str, ...] = ("-smp", "2")
    log: Path | None = None
    limit_s: int = 300

    def run(self) -> int:
        """Build the guest and boot it; return the exit code of the file, or 1."""
        with tempfile.TemporaryDirectory(prefix="wirepath-guest-") as directory:
            initrd = _build(Path(directory), self)
            [image] = (self.kernel / "boot").glob("vmlinuz-*")
            append = "console=ttyS0 quiet panic=-1 rdinit=/init"
            boot = ("-kernel", str(image), "-initrd", str(initrd), "-append", append)
            said = self._boot([*_QEMU, *self.qemu, *boot])
        found = re.search(r"^guest: exit (\d+)", said, re.MULTILINE)
        return int(found[1]) if found else 1

    # Prints what the guest says as it says it, so that it is there after a time-out, too.
    def _boot(self, argv: list[str]) -> str:
        said = []
        with (
            (self.log or Path(os.devnull)).open("w") as log,
            subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
            ) as guest,
        ):
            assert guest.stdout is not None
            killer = threading.Timer(self.limit_s, guest.kill)
            killer.start()
            for line in guest.stdout:
                for stream in (sys.stdout, log):
                    stream.write(line)
                    stream.flush()
                said.append(line)
            killer.cancel()
        return "".join(said)


def main() -> int:
    """Boot a guest; return the exit code of the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kernel", type=Path, help="where a kernel package was unpacked to")
    parser.add_argument("file", type=Path, help="to run, below the project's directory")
    parser.add_argument("--timeout", type=int, default=300, help="s; default: 300")
    asked = parser.parse_args()
    return Guest(asked.kernel, asked.file.resolve(), limit_s=asked.timeout).run()


def _build(directory: Path, guest: Guest) -> Path:
    root, initrd = directory / "root", directory / "initrd"
    for name in ("bin", "modules", "etc", "guest/packages"):
        (root / name).mkdir(parents=True)
    modules = dict(_modules(guest.kernel, (*_MODULES, *guest.modules)))
    for name, module in modules.items():
        (root / "modules" / f"{name}.ko").write_bytes(module)
    _tools(root, (*_TOOLS, *guest.tools))
    _python(root)
    init = root / "init"
    init.write_text(
        _INIT.format(
            modules=" ".join(modules),
            file=guest.file.relative_to(ROOT),
            arguments=shlex.join(guest.arguments),
        )
    )
    init.chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in root.rglob("*"))
    with initrd.open("wb") as archive:
        subprocess.run(
            ["busybox", "cpio", "-o", "-H", "newc"],
            cwd=root, input=names.encode(), stdout=archive, stderr=subprocess.DEVNULL, check=True,
        )  # fmt: skip
    return initrd


# Yields the requested modules, each after the modules that it needs.
def _modules(kernel: Path, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    files = {path.name.split(".")[0].replace("-", "_"): path for path in kernel.rglob("*.ko*")}
    seen: set[str] = set()

    def with_needed(name: str) -> Iterator[tuple[str, bytes]]:
        if name in seen or name not in files:
            return
        seen.add(name)
        packed = files[name].read_bytes()
        module = lzma.decompress(packed) if files[name].suffix == ".xz" else packed
        needs = re.search(rb"\0depends=([^\0]*)\0", module)
        for needed in needs[1].decode().split(",") if needs else ():
            yield from with_needed(needed.replace("-", "_"))
        yield name, module

    for name in wanted:
        yield from with_needed(name)


def _tools(root: Path, names: Iterable[str]) -> None:
    found = {name: Path(path).resolve() for name in names if (path := shutil.which(name))}
    for tool, path in found.items():
        shutil.copy(path, root / "bin" / tool)
    (root / "bin" / "sh").symlink_to("busybox")
    _libraries(root, found.values())


# Copies the libraries that programs need to the same paths, where the loader looks for them.
def _libraries(root: Path, of: Iterable[Path]) -> None:
    for path in of:
        said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"\s(/(?:usr|lib)\S+) \(0x", said):
            target = root / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(library, target)


def _python(root: Path) -> None:
    own = Path(sys.base_prefix) / "lib" / f"python3.{sys.version_info.minor}"
    ignore = shutil.ignore_patterns(*_NOT_NEEDED)
    shutil.copytree(own, root / own.relative_to("/"), ignore=ignore)
    shutil.copy(Path(sys.base_prefix) / "bin" / own.name, root / "bin" / "python3")
    _libraries(root, [root / "bin" / "python3"])
    site = Path(next(path for path in sys.path if path.endswith("site-packages")))
    for name in ("src", "bench", "examples", "tests"):
        shutil.copytree(ROOT / name, root / "guest" / name, ignore=ignore)
    (root / "guest" / "build").mkdir()
    for built in (ROOT / "build").glob("*.bpf.o"):
        shutil.copy(built, root / "guest" / "build")
    shutil.copy(next(site.glob("_cffi_backend*")), root / "guest" / "packages")
    for package in _PACKAGES:
        if (site / package).is_dir():
            shutil.copytree(site / package, root / "guest" / "packages" / package, ignore=ignore)
    for place in ("guest/src", "guest/packages", str(own).lstrip("/")):
        _libraries(root, (root / place).rglob("*.so*"))


if __name__ == "__main__":
    sys.exit(main())
