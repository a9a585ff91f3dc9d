"""``wirepath lab`` on the command line; tests/netns has tests of the lab itself."""

import os
from collections.abc import Iterator

import pytest

from harness.processes import Wirepath
from wirepath.lab.network import Lab

pytestmark = pytest.mark.kernel


@pytest.fixture
def name() -> Iterator[str]:
    name = f"wpc{os.getpid() % 0xFFFFFF:x}"
    yield name
    Lab(name).remove()


def test_a_lab_stays_until_it_is_taken_down(wirepath_: Wirepath, name: str) -> None:
    named = ("--name", name)
    assert wirepath_("lab", "status", *named).out == f"lab {name}: not up\n"
    assert wirepath_("lab", "status", *named, "--json").json() == {
        "name": name,
        "up": False,
        "hosts": {},
    }
    said = wirepath_("lab", "run", *named, "server", "true").refused(1)
    assert "does not exist" in said
    up = wirepath_("lab", "up", *named)
    assert up.code == 0, up.err
    assert up.out.split()[:5] == ["host", "namespace", "interface", "ipv4", "ipv6"]
    assert f"`wirepath lab run --name {name} server COMMAND`" in up.out
    server = wirepath_("lab", "status", *named, "--json").json()["hosts"]["server"]
    assert (server["ipv4"], server["xdp_program"], server["processes"]) == ("192.0.2.1", None, [])
    assert "192.0.2.66" in wirepath_("lab", "status", *named).out
    inside = wirepath_("lab", "run", *named, "client", "ip", "-br", "address")
    assert "192.0.2.10/24" in inside.out
    assert wirepath_("lab", "run", *named, "client", "false").code == 1
    assert "nosuch" in wirepath_("lab", "run", *named, "client", "nosuch").err
    assert wirepath_("lab", "down", *named, "--json").json() == {"name": name}
    assert not Lab(name).exists


def test_no_such_lab_or_host(wirepath_: Wirepath) -> None:
    assert "no name for a lab" in wirepath_("lab", "status", "--name", "x").refused(2)
    assert "no host moon" in wirepath_("lab", "run", "moon", "true").refused(2)
