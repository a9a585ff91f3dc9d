"""Namespaces, bpffs and policies for the command line."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.processes import ENVIRONMENT, Ended, Host, Wirepath, command, ended
from wirepath.lab.netns import Namespace
from wirepath.native import lib


@pytest.fixture
def wirepath_() -> Wirepath:
    """Run ``wirepath ARGUMENTS`` in the namespaces of the tests."""

    def run(*arguments: object, **options: Any) -> Ended:
        options = {"env": ENVIRONMENT, "capture_output": True, "text": True} | options
        return ended(subprocess.run(command(*arguments), check=False, **options))

    return run


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    namespace = Namespace(f"wp-cli-{os.getpid()}")
    bpffs = tmp_path / "bpffs"
    bpffs.mkdir()
    assert lib.wp_mount_bpffs(os.fsencode(bpffs)) == 0
    namespace.create()
    try:
        with namespace.netlink() as netlink:
            netlink.link("add", ifname="wp0", kind="veth", peer={"ifname": "wp1"})
            for name in ("wp0", "wp1"):
                netlink.link("set", ifname=name, state="up")
        yield Host(namespace, bpffs)
    finally:
        namespace.remove()
        subprocess.run(["umount", "--lazy", str(bpffs)], check=True)


POLICY = """\
[datapath]
never_block = ["198.51.100.9"]

[set.bad]
files = ["bad.txt"]
prefixes = ["203.0.113.0/24"]

[[rule]]
name = "web"
match = { proto = "tcp", dport = [80, 443] }

[[rule]]
name = "bad"
match = { src = "@bad" }
action = "drop"
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy with a set of four prefixes, one of them listed twice."""
    (tmp_path / "bad.txt").write_text("192.0.2.0/25\n10.1.2.3\n2001:db8:bad::/48 # all\n10.1.2.3\n")
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path
