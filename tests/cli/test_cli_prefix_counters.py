"""``wirepath set dump --counters`` after real packets."""

from pathlib import Path

import pytest

from harness.processes import FROM_BAD, Host, rules, send

pytestmark = pytest.mark.kernel


@pytest.fixture
def counting(host: Host, policy: Path) -> Host:
    policy.write_text(policy.read_text().replace("[set.bad]", "[set.bad]\ncounters = true"))
    assert host("up", "wp0", policy).code == 0
    return host


def test_dump(counting: Host, tmp_path: Path) -> None:
    send(counting, *[FROM_BAD] * 3)
    rules(counting, 6)
    text = "10.1.2.3 0 0\n192.0.2.0/25 3 162\n203.0.113.0/24 0 0\n2001:db8:bad::/48 0 0\n"
    assert counting("set", "dump", "bad", "--counters").out == text
    listed = counting("set", "dump", "bad", "--counters", "--json").json()
    assert (listed["iface"], listed["set"], listed["prefixes"]) == ("wp0", "bad", 4)
    assert listed["contents"][1] == {"prefix": "192.0.2.0/25", "packets": 3, "bytes": 162}
    file = tmp_path / "counted.txt"
    said = counting("set", "dump", "bad", "--counters", "-o", file).out
    assert said == f"@bad: 4 prefixes written to {file}\n"
    assert file.read_text() == text


def test_without_counters(host: Host, policy: Path) -> None:
    assert host("up", "wp0", policy).code == 0
    refused = host("set", "dump", "bad", "--counters").refused(2)
    assert "@bad: its prefixes have no counters (write counters = true" in refused
