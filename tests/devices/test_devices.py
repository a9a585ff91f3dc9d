"""The table of devices, on this kernel; ``make test-kernels`` walks the rest in guests."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devices.cells import DEVICES, Device
from devices.making import Hosts, UnknownDeviceError
from devices.walk import walk
from wirepath.kernel.links import Mode
from wirepath.lab.netns import Namespace

pytestmark = pytest.mark.kernel

HERE = [device for device in DEVICES if device.where in ("here", "both")]


@pytest.fixture
def hosts(bpffs: Path, request: pytest.FixtureRequest) -> Iterator[Hosts]:
    near, far = (Namespace(f"wp{os.getpid():x}-{role}") for role in ("near", "far"))
    device = request.node.callspec.params["device"]
    with ExitStack() as stack:
        for host in (near,) if device.name == "lo" else (near, far):
            stack.callback(host.remove)
            host.create()
        yield Hosts(near, near if device.name == "lo" else far)


@pytest.mark.parametrize("mode", ["native", "generic"])
@pytest.mark.parametrize("device", HERE, ids=lambda device: device.name)
def test_cell(hosts: Hosts, device: Device, mode: Mode) -> None:
    try:
        report = walk(device, mode, hosts)
    except UnknownDeviceError as error:
        pytest.skip(f"this kernel does not make a {device.name}: {error}")
    assert report.faults == []
