"""The life of a datapath on the command line: every command, with real packets."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.frames import Eth, IPv4, Tcp, Udp
from harness.processes import FROM_BAD, FROM_GOOD, FROM_OTHER, Host, rules, send
from wirepath.pcap import CaptureWriter

pytestmark = pytest.mark.kernel


@pytest.fixture
def up(host: Host, policy: Path) -> Host:
    said = host("up", "wp0", policy)
    assert (said.code, said.out) == (
        0,
        "wp0: up in native mode, 2 rules, 4 prefixes in 1 set\n",
    ), said.err
    return host


def test_nothing_up(host: Host) -> None:
    assert host("status").out == "wirepath is not up anywhere\n"
    assert host("status", "--json").json() == {"interfaces": []}
    assert "bring it up" in host("stats").refused(2)


def test_counters(up: Host) -> None:
    send(up, *[FROM_BAD] * 3, *[FROM_GOOD] * 2)
    assert rules(up, 8) == {
        "web": {"packets": 5, "bytes": 270, "dropped": 0},
        "bad": {"packets": 3, "bytes": 162, "dropped": 3},
    }
    stats = up("stats", "--json").json()
    assert stats["iface"] == "wp0"
    assert stats["verdicts"]["drop"] == stats["reasons"]["rule"] == 3
    said = up("stats").out
    assert re.search(
        r"^rule  packets  bytes  dropped\nweb +5 +270 +0\nbad +3 +162 +3$", said, re.MULTILINE
    )
    listed = up("rules", "--json").json()["rules"]
    assert listed[1] == {
        "name": "bad",
        "hook": ["ingress"],
        "match": "src @bad",
        "action": "drop",
        "packets": 3,
        "bytes": 162,
        "dropped": 3,
    }
    assert re.search(r"^bad +drop +3 +162 +3  src @bad$", up("rules").out, re.MULTILINE)


def test_watching(up: Host) -> None:
    argv = [sys.executable, "-m", "wirepath", "stats", "--watch", "0.1", "--json"]
    with up.namespace.spawn(argv, env=up.environment, stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        lines = [watching.stdout.readline() for _ in range(3)]
        assert all(line.startswith(b'{"iface": "wp0"') for line in lines)
        watching.send_signal(2)
        assert watching.wait(30) == 130


def test_status(up: Host, policy: Path) -> None:
    (status,) = up("status", "--json").json()["interfaces"]
    assert status["iface"] == "wp0"
    assert (status["mode"], status["policy"]) == ("native", str(policy))
    assert (status["generation"], status["rules"], status["sets"]) == (1, 2, {"bad": 4})
    assert status["bans"]["used"] == 0
    assert status["program_id"] == up.interface().xdp_id
    assert abs(status["since"] - time.time()) < 60
    place = {"attach": "xdp", "mode": "native"}
    place |= {key: status[key] for key in ("program_id", "link_id")}
    assert status["hooks"] == {"ingress": place}
    said = up("status", "--iface", "wp0").out
    assert said.startswith("wp0: up in native mode\n")
    assert f"  policy   {policy}, generation 1\n" in said


def test_several_hooks(up: Host, tmp_path: Path) -> None:
    """The output of commands with rules at several hooks; one such rule changes the tables."""
    policy = tmp_path / "hooks.toml"
    policy.write_text(
        '[datapath]\ndefault = { ingress = "drop" }\n'
        '[[rule]]\nname = "in"\nhook = ["ingress", "tc_ingress"]\naction = "pass"\n'
        'match = { proto = "udp" }\n'
        '[[rule]]\nname = "out"\nhook = ["tc_ingress", "egress"]\naction = "drop"\n'
        'match = { proto = "udp", dport = 53 }\n'
    )
    dry = up("apply", policy, "--dry-run")
    assert "+ hook tc_ingress\n+ hook egress\n" in dry.out
    found = up("apply", policy, "--json").json()["difference"]
    assert (found["hooks_added"], found["hooks_removed"]) == (["tc_ingress", "egress"], [])
    said = up("status").out
    assert re.search(
        r"  hooks    ingress: xdp native, program \d+, link \d+\n"
        r"           tc_ingress: tcx, program \d+, link \d+\n"
        r"           egress: tcx, program \d+, link \d+\n",
        said,
    )
    send(up, Eth() / IPv4() / Udp(dport=53))
    assert rules(up, 2)["in"]["packets"] == 2
    assert re.search(r"^name  hook +action", up("rules").out)
    assert re.search(r"^in    ingress,tc_ingress +pass +2 ", up("rules").out, re.MULTILINE)
    counted = up("stats").out
    assert re.match(
        r"wp0: .* bytes at ingress\nwp0: .* bytes at tc_ingress\nwp0: .* bytes at egress\n\n",
        counted,
    )
    assert re.search(r"^verdict +ingress +tc_ingress +egress$", counted, re.MULTILINE)
    said = up("check", policy).out
    assert "default      drop at ingress, pass at tc_ingress, pass at egress\n" in said
    assert "rule.out: never reached at tc_ingress: rule in before it" in said
    assert up(
        "test", "192.0.2.1", "--proto", "udp", "--dport", "53", "--hook", "egress"
    ).out.startswith("192.0.2.1 at egress: drop by rule out\n")


def test_bans(up: Host) -> None:
    assert up("ban", "198.51.100.77", "2001:db8::/32", "--for", "1h").out == (
        "198.51.100.77: banned on wp0 for 1 h\n2001:db8::/32: banned on wp0 for 1 h\n"
    )
    assert up("ban", "198.51.100.9", "--json").json() == {
        "iface": "wp0",
        "banned": ["198.51.100.9"],
        "for_s": None,
        "never_blocked": ["198.51.100.9"],
    }
    send(up, FROM_OTHER)
    listed = up("bans", "--json").json()
    assert [ban["prefix"] for ban in listed["bans"]] == [
        "198.51.100.9",
        "198.51.100.77",
        "2001:db8::/32",
    ]
    assert listed["bans"][0]["remaining_s"] is None
    assert 3500 < listed["bans"][1]["remaining_s"] <= 3600
    assert (listed["bans"][1]["packets"], listed["bans"][1]["bytes"]) == (1, 42)
    assert re.search(r"198\.51\.100\.77  (1 h|59 min 5\d s) ", up("bans").out)
    assert up("test", "198.51.100.77").out.startswith("198.51.100.77: drop, banned by ")
    assert up("unban", "198.51.100.77", "2001:db8::1", "192.0.2.1").out == (
        "198.51.100.77: ban lifted\n"
        "2001:db8::1: not banned by itself, but inside 2001:db8::/32\n"
        "192.0.2.1: not banned\n"
    )
    assert up("unban", "2001:db8::/32", "198.51.100.9", "10.0.0.1", "--json").json() == {
        "iface": "wp0",
        "unbanned": ["2001:db8::/32", "198.51.100.9"],
        "not_banned": ["10.0.0.1"],
    }
    assert up("bans").out == "wp0: no bans\n"


def test_bans_by_file(up: Host, tmp_path: Path) -> None:
    feed, saved = tmp_path / "feed.txt", tmp_path / "bans.jsonl"
    feed.write_text("# a feed\n192.0.2.0/25\n\n198.51.100.77 ; worst\n")
    assert up("ban", "--file", feed, "--for", "1h").out == f"{feed}: 2 banned on wp0\n"
    assert up("ban", "2001:db8::/32").code == 0
    send(up, FROM_OTHER)
    said = up("bans").out.splitlines()
    assert said[0] == "banned         remaining    packets  bytes  rule  scope"
    assert said[2].split()[-4:] == ["1", "42", "-", "-"]
    assert up("bans", "--save", saved).out == f"wp0: 3 bans saved to {saved}\n"
    assert list(tmp_path.glob("bans.jsonl*")) == [saved]
    assert up("unban", "--all").out == "wp0: 3 bans lifted\n"
    assert up("bans").out == "wp0: no bans\n"
    with saved.open("a") as more:
        more.write('{"cidr": "10.0.0.1", "expires": 1000, "rule": null, "scope": null}\n')
        more.write('{"cidr": "10.0.0.2", "expires": null, "rule": "x", "scope": "x"}\n')
    assert up("ban", "--file", saved).out == (
        f"{saved}: 3 banned on wp0, 1 expired, 1 of a rule that is gone\n"
    )
    listed = up("bans", "--json").json()["bans"]
    assert [ban["prefix"] for ban in listed] == ["192.0.2.0/25", "198.51.100.77", "2001:db8::/32"]
    assert 3500 < listed[0]["remaining_s"] <= 3600
    assert listed[2]["remaining_s"] is None
    assert up("ban", "--file", "-", "--json", input="10.0.0.9\nx\n").code == 2
    done = up("ban", "--file", "-", "--skip-bad", "--json", input="10.0.0.9\nx\n").json()
    assert done == {
        "iface": "wp0",
        "file": "-",
        "banned": 1,
        "expired": 0,
        "gone": 0,
        "skipped": 1,
        "for_s": None,
    }
    assert up("unban", "--file", saved, "--json").json() == {"iface": "wp0", "lifted": 3}
    assert [ban["prefix"] for ban in up("bans", "--json").json()["bans"]] == ["10.0.0.9"]


def test_a_hundred_thousand_bans(up: Host, tmp_path: Path) -> None:
    feed, saved = tmp_path / "feed.txt", tmp_path / "bans.jsonl"
    hosts = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(100_000)]
    feed.write_text("".join(hosts))
    assert up("ban", "--file", feed).out == f"{feed}: 100,000 banned on wp0\n"
    assert up("bans", "--save", saved, "--json").json()["bans"] == 100_000
    assert up("unban", "--all").out == "wp0: 100,000 bans lifted\n"
    assert up("ban", "--file", saved, "--json").json()["banned"] == 100_000
    [status] = up("status", "--json").json()["interfaces"]
    assert status["bans"] == {"used": 100_000, "room": 1_000_000, "refused": 0}
    assert up("unban", "--file", feed).out == "wp0: 100,000 bans lifted\n"


def test_sets(up: Host, tmp_path: Path) -> None:
    said = up("set", "add", "bad", "198.51.100.77", "10.1.2.3")
    assert said.out == "@bad: 1 added, 1 already there; now 5 prefixes\n"
    send(up, FROM_OTHER)
    assert rules(up, 1)["bad"]["dropped"] == 1
    assert up("test", "198.51.100.77", "--json").json()["sets"] == ["bad"]
    assert up("set", "del", "bad", "198.51.100.77", "192.0.2.0/24", "--json").json() == {
        "iface": "wp0",
        "set": "bad",
        "removed": 1,
        "unchanged": 1,
        "prefixes": 4,
    }
    whole = "10.1.2.3\n192.0.2.0/25\n203.0.113.0/24\n2001:db8:bad::/48\n"
    assert up("set", "dump", "bad").out == whole
    assert up("set", "dump", "bad", "--json").json()["contents"] == whole.split()
    file = tmp_path / "dump.txt"
    assert up("set", "dump", "bad", "-o", file).out == f"@bad: 4 prefixes written to {file}\n"
    assert file.read_text() == whole
    file.write_text("10.0.0.0/8\n10.0.0.0/8\n# none\n")
    assert up("set", "load", "bad", file, "--json").json() == {
        "iface": "wp0",
        "set": "bad",
        "prefixes": 1,
        "skipped": 0,
    }
    assert up("set").out == up("set", "list").out == "set  prefixes\nbad         1\n"
    assert up("set", "list", "--json").json() == {"iface": "wp0", "sets": {"bad": 1}}


def test_a_large_set_is_dumped_in_parts(up: Host, tmp_path: Path) -> None:
    """Lines and JSON have nothing between the parts that is not between other prefixes."""
    file, copy = tmp_path / "hosts.txt", tmp_path / "copy.txt"
    hosts = [f"10.0.{n // 256}.{n % 256}" for n in range(40_000)]
    file.write_text("\n".join(hosts) + "\n")
    up("set", "load", "bad", file)
    assert up("set", "dump", "bad").out == file.read_text()
    document = up("set", "dump", "bad", "--json").out
    expected = {"iface": "wp0", "set": "bad", "prefixes": len(hosts), "contents": hosts}
    assert document == json.dumps(expected) + "\n"
    up("set", "dump", "bad", "-o", copy)
    assert copy.read_text() == file.read_text()
    file.write_text("")
    up("set", "load", "bad", file, "--allow-empty")
    assert up("set", "dump", "bad").out == ""
    assert up("set", "dump", "bad", "--json").json()["contents"] == []


def test_apply(up: Host, policy: Path, tmp_path: Path) -> None:
    send(up, FROM_GOOD)
    rules(up, 1)
    after = tmp_path / "after.toml"
    text = policy.read_text().replace('"203.0.113.0/24"', '"203.0.113.0/25"')
    text = text.replace("[datapath]", '[datapath]\ndefault = "drop"')
    after.write_text(text + '\n[[rule]]\nname = "dns"\nmatch = { dport = 53 }\naction = "pass"\n')
    changes = "datapath: default changes\n+ rule dns\n~ set bad: 1 added, 1 removed, 4 prefixes\n"
    before = up.state()
    dry = up("apply", after, "--dry-run")
    assert dry.out == f"{changes}wp0: nothing was changed (--dry-run)\n"
    assert up.state() == before
    assert up("apply", "wp0", after).out == f"{changes}wp0: generation 2\n"
    assert rules(up, 1)["web"]["packets"] == 1  # carried over
    again = up("apply", after, "--iface", "wp0", "--json").json()
    assert (again["applied"], again["generation"]) == (True, 3)
    assert again["difference"]["sets"] == again["difference"]["rules_added"] == []


def test_down_leaves_nothing(up: Host) -> None:
    assert up("down").out == "wp0: down\n"
    assert up("status", "--json").json() == {"interfaces": []}
    assert up.state() == (0, [])


def test_two_interfaces_need_a_name(up: Host, policy: Path) -> None:
    assert up("up", "wp1", policy, "--json").json()["iface"] == "wp1"
    before = up.state()
    assert "--iface" in up("stats").refused(2)
    assert "--iface" in up("down").refused(2)
    assert "--iface" in up("apply", policy).refused(2)
    assert up.state() == before
    assert up("ban", "192.0.2.1", "--iface", "wp1").code == 0
    assert up("bans", "--iface", "wp0").out == "wp0: no bans\n"
    assert [each["iface"] for each in up("status", "--json").json()["interfaces"]] == ["wp0", "wp1"]
    assert up("down", "wp1").code == 0
    assert up("down").out == "wp0: down\n"


def test_what_is_logged(host: Host, policy: Path) -> None:
    said = host("-v", "up", "wp0", policy)
    assert re.fullmatch(r"wirepath: attached wp0 xdp native link=\d+\n", said.err)
    assert host("down", "-v").err == "wirepath: detached wp0\n"


_AT_TC = """
[datapath]
never_block = ["192.0.2.9"]
[[rule]]
name = "in"
hook = "tc_ingress"
match = { dport = 22 }
action = "drop"
[[rule]]
name = "out"
hook = "egress"
match = { dport = 80 }
action = "drop"
"""


def test_replay_at_the_hooks_of_tc(host: Host, tmp_path: Path) -> None:
    """A policy without rules at ingress; at egress a destination may be management."""
    policy, capture = tmp_path / "tc.toml", tmp_path / "some.pcap"
    policy.write_text(_AT_TC)
    with CaptureWriter(capture) as writer:
        for number, (dst, port) in enumerate(
            [("192.0.2.1", 22), ("192.0.2.1", 80), ("192.0.2.9", 22), ("192.0.2.9", 80)]
        ):
            writer.write(number, bytes(Eth() / IPv4(dst=dst) / Tcp(dport=port)), None)
    pass_, drop = ("pass", "default", None), "drop"
    expected = {
        "ingress": [pass_, pass_, pass_, pass_],
        "tc_ingress": [(drop, "rule", "in"), pass_, (drop, "rule", "in"), pass_],
        "egress": [pass_, (drop, "rule", "out"), *[("pass", "never_block", None)] * 2],
    }
    for hook, verdicts in expected.items():
        asked = ("replay", policy, capture, "--hook", hook, "--frames", "--json")
        found = host(*asked).json()
        judged = [(f["verdict"], f["reason"], f["rule"]) for f in found["frames_detail"]]
        assert judged == verdicts
        assert list(found["rules"]) == {"tc_ingress": ["in"], "egress": ["out"]}.get(hook, [])
        assert found == host(*asked, "--model").json()


def test_replay_by_the_program_is_as_by_the_model(host: Host, policy: Path, tmp_path: Path) -> None:
    from wirepath.pcap import CaptureWriter

    capture = tmp_path / "some.pcapng"
    with CaptureWriter(capture) as writer:
        for n, frame in enumerate((FROM_BAD, FROM_GOOD, FROM_OTHER, FROM_BAD)):
            writer.write(n, bytes(frame))
    before = host.state()
    program = host("replay", policy, capture, "--frames", "--json").json()
    assert program == host("replay", policy, capture, "--frames", "--json", "--model").json()
    assert program["rules"]["bad"] == {"packets": 2, "bytes": 108, "dropped": 2}
    assert host.state() == before


def test_doctor(host: Host) -> None:
    found = host("doctor", "wp0", "--json").json()
    assert found["iface"] == "wp0"
    by_name = {finding["name"]: finding for finding in found["findings"]}
    assert by_name["native xdp"]["ok"] is True
    assert set(by_name["bpf"]) == {"name", "ok", "detail", "cure"}
    assert re.search(r"^ok +native xdp +basic", host("doctor", "wp0").out, re.MULTILINE)


@pytest.mark.parametrize("arguments", [("status",), ("ban", "192.0.2.1", "--for", "1h")])
def test_fast_commands_import_little(up: Host, arguments: tuple[str, ...]) -> None:
    argv = [sys.executable, "-X", "importtime", "-m", "wirepath", *arguments]
    done = up.namespace.run(argv, env=up.environment, capture_output=True, text=True)
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "wirepath.datapath" in imported
    heavy = {"numpy", "pyroute2", "rich", "tomllib", "tomli", "wirepath.policy", "wirepath.plan"}
    assert not heavy & imported
