"""Commands that need neither root nor kernel: check, test --policy, replay --model."""

import gzip
import subprocess
import time
from pathlib import Path

import pytest

from harness.frames import Arp, Eth, Icmp, IPv4, IPv6, Tcp, Udp
from harness.links import LINKS, Packet, over, write
from harness.processes import ENVIRONMENT, Wirepath, command
from wirepath.pcap import CaptureWriter, read_capture


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "some.pcap"
    with CaptureWriter(path) as writer:
        for second, frame in enumerate(
            (
                Eth() / IPv4(src="192.0.2.7") / Tcp(dport=80),
                Eth() / IPv4(src="198.51.100.1") / Tcp(dport=443),
                Eth() / IPv4(src="198.51.100.1") / Udp(dport=53),
                Eth() / IPv6(src="2001:db8:bad::1") / Udp(dport=53),
                Eth() / Arp(),
                Eth() / IPv4(src="198.51.100.9") / Icmp(),
            )
        ):
            writer.write(second * 1_000_000_000, bytes(frame))
    return path


def test_check_says_what_a_policy_does(wirepath_: Wirepath, policy: Path) -> None:
    said = wirepath_("check", policy)
    assert (said.code, said.err) == (0, "")
    assert (
        said.out
        == f"""\
{policy}: valid
  default      pass
  fragments    pass
  malformed    drop
  never block  198.51.100.9

set  prefixes  from
bad         4  bad.txt, 1 prefix of its own

#  rule  action  match
1  web   count   proto tcp, dport 80,443
2  bad   drop    src @bad
"""
    )


def test_check_refuses_limits_that_need_too_much(wirepath_: Wirepath, tmp_path: Path) -> None:
    policy = tmp_path / "big.toml"
    policy.write_text(
        "".join(
            f'[[rule]]\nname = "r{n}"\nlimit = {{ rate = "5/s", per = "src", keys = "16m" }}\n'
            for n in range(5)
        )
    )
    said = wirepath_("check", policy).refused(2)
    assert said.endswith(
        "its limits need 1280 MiB, there are 1024 (lower `keys` where few sources are to be told"
        " apart)"
    )


def test_check_says_if_foreign_frames_are_judged(wirepath_: Wirepath, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[datapath]\nforeign_frames = "judge"\n')
    said = wirepath_("check", policy).out
    assert "\n  foreign      judge: frames for other hosts count as our own\n" in said
    assert wirepath_("check", policy, "--json").json()["datapath"]["foreign_frames"] == "judge"
    policy.write_text('[datapath]\nforeign_frames = "drop"\n')
    said = wirepath_("check", policy).refused(2)
    assert said.endswith('foreign_frames: "drop": unknown value (write "ignore" or "judge")')


def test_check_lists_the_essentials(wirepath_: Wirepath, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    rule = '[[rule]]\nname = "web"\nhook = "egress"\naction = "pass"\n'
    file.write_text('[datapath]\ndefault = "drop"\n' + rule)
    told = wirepath_("check", file).out
    assert "  essentials   pass at ingress, egress, before bans and rules:\n    neighbour" in told
    assert wirepath_("check", file, "--json").json()["essentials"] == ["ingress", "egress"]
    file.write_text('[datapath]\ndefault = "drop"\nessentials = false\n' + rule)
    assert "essentials" not in wirepath_("check", file).out
    told_in_json = wirepath_("check", file, "--json").json()
    assert "essentials" not in told_in_json
    assert told_in_json["datapath"]["essentials"] is False


def test_check_in_json(wirepath_: Wirepath, policy: Path) -> None:
    at = ["ingress"]
    assert wirepath_("check", policy, "--json").json() == {
        "file": str(policy),
        "datapath": {
            "default": "pass",
            "fragments": "pass",
            "malformed": "drop",
            "never_block": ["198.51.100.9"],
        },
        "sets": {"bad": {"prefixes": 4, "files": [str(policy.with_name("bad.txt"))]}},
        "rules": [
            {"name": "web", "hook": at, "match": "proto tcp, dport 80,443", "action": "count"},
            {"name": "bad", "hook": at, "match": "src @bad", "action": "drop"},
        ],
        "notes": [],
    }


def test_test_asks_a_policy_that_is_not_up(wirepath_: Wirepath, policy: Path) -> None:
    assert (
        wirepath_("test", "192.0.2.7", "--policy", policy).out
        == """\
192.0.2.7: drop by rule bad
in sets: bad
rule  action  matches
web   count   if proto tcp, dport 80,443
bad   drop    always
"""
    )
    other = wirepath_("test", "192.0.2.200", "--policy", policy, "--proto", "udp", "--json").json()
    assert (other["verdict"], other["reason"], other["sets"]) == ("pass", "default", [])
    management = wirepath_("test", "198.51.100.9", "--policy", policy)
    assert management.out.startswith("198.51.100.9: pass, as a management source")


def test_test_asks_by_state(wirepath_: Wirepath, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rule]]\nname = "new"\nmatch = { ct = "new" }\naction = "drop"\n')
    asked = ("test", "192.0.2.1", "--policy", policy)
    for state, verdict in (("new", "drop"), ("established", "pass"), ("untracked", "pass")):
        found = wirepath_(*asked, "--state", state, "--json").json()
        assert (found["verdict"], found["possible"]) == (verdict, [verdict])
    assert wirepath_(*asked, "--json").json()["possible"] == ["drop", "pass"]


def test_test_says_what_it_depends_on(wirepath_: Wirepath, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[[rule]]\nname = "ssh"\nmatch = { proto = "tcp", dport = 22 }\naction = "drop"\n'
    )
    said = wirepath_("test", "192.0.2.1", "--policy", policy).out
    assert said.startswith("192.0.2.1: pass by default, unless a rule before that says drop\n")
    said = wirepath_("test", "192.0.2.1", "--policy", policy, "--dport", 22, "--proto", 6).out
    assert said.startswith("192.0.2.1: drop by rule ssh\n")
    policy.write_text('[datapath]\nfragments = "drop"\n')
    said = wirepath_("test", "192.0.2.1", "--policy", policy).out
    assert said.startswith("192.0.2.1: pass by default, but later fragments are dropped\n")


def test_replay_by_the_model(wirepath_: Wirepath, policy: Path, capture: Path) -> None:
    assert wirepath_("replay", policy, capture, "--model", "--json").json() == {
        "frames": 6,
        "bytes": sum(len(frame.data) for frame in read_capture(capture)),
        "verdicts": {"pass": 4, "drop": 2},
        "reasons": {"rule": 2, "default": 2, "not_ip": 1, "never_block": 1},
        "rules": {
            "web": {"packets": 2, "bytes": 108, "dropped": 0},
            "bad": {"packets": 2, "bytes": 116, "dropped": 2},
        },
    }


def test_replay_shows_frames(wirepath_: Wirepath, policy: Path, capture: Path) -> None:
    detail = wirepath_("replay", policy, capture, "--model", "--frames", "--json").json()
    assert detail["frames_detail"][0] == {
        "n": 1,
        "verdict": "drop",
        "reason": "rule",
        "rule": "bad",
        "time_ns": 0,
        "src": "192.0.2.7",
        "dst": "192.0.2.1",
        "sport": 40000,
        "dport": 80,
        "proto": "tcp",
        "length": 40,
    }
    assert [frame["n"] for frame in detail["frames_detail"]] == [1, 2, 3, 4, 5, 6]
    said = wirepath_("replay", policy, capture, "--model", "--frames").out
    epoch = time.strftime("%H:%M", time.localtime(0))
    lines, rest = said.splitlines()[:6], said.splitlines()[6:]
    assert lines == [
        f"{epoch}:00.000000 192.0.2.7.40000 > 192.0.2.1.80         tcp  40 drop rule bad",
        f"{epoch}:01.000000 198.51.100.1.40000 > 192.0.2.1.443     tcp  40 pass default",
        f"{epoch}:02.000000 198.51.100.1.40000 > 192.0.2.1.53      udp  28 pass default",
        f"{epoch}:03.000000 2001:db8:bad::1.40000 > 2001:db8::1.53 udp  48 drop rule bad",
        f"{epoch}:04.000000 -                                      arp  28 pass not_ip",
        f"{epoch}:05.000000 198.51.100.9 > 192.0.2.1               icmp 28 pass never_block",
    ]
    assert rest[1].startswith(f"{capture}: 6 frames, ")


def test_replay_writes_what_passed_and_what_did_not(
    wirepath_: Wirepath, policy: Path, capture: Path, tmp_path: Path
) -> None:
    passed, dropped = tmp_path / "passed.pcapng", tmp_path / "dropped.pcap"
    said = wirepath_(
        "replay", policy, capture, "--model", "--write-passed", passed, "--write-dropped", dropped
    )
    assert said.code == 0
    with read_capture(capture) as all_, read_capture(passed) as p, read_capture(dropped) as d:
        frames = list(all_)
        assert list(d) == [frames[0], frames[3]]
        assert list(p) == [frames[n] for n in (1, 2, 4, 5)]


def test_what_is_answered_does_not_pass(wirepath_: Wirepath, capture: Path, tmp_path: Path) -> None:
    policy, passed, dropped = (
        tmp_path / name for name in ("p.toml", "passed.pcap", "dropped.pcap")
    )
    policy.write_text('[[rule]]\nname = "no"\nreject = true\n')
    said = wirepath_(
        "replay", policy, capture, "--model", "--json",
        "--write-passed", passed, "--write-dropped", dropped,
    )  # fmt: skip
    assert said.json()["verdicts"]["tx"] > 0
    with read_capture(capture) as all_, read_capture(passed) as p, read_capture(dropped) as d:
        frames = list(all_)
        assert list(p) == [frame for frame in frames if frame.data == bytes(Eth() / Arp())]
        assert len(list(d)) == len(frames) - 1


def test_replay_never_writes_over_its_capture(
    wirepath_: Wirepath, policy: Path, capture: Path
) -> None:
    before = capture.read_bytes()
    said = wirepath_("replay", policy, capture, "--model", "--write-passed", capture).refused(2)
    assert said == f"write {capture}: it is the capture itself (name another file)"
    twice = ("--write-passed", "same", "--write-dropped", "same")
    assert "named twice" in wirepath_("replay", policy, capture, "--model", *twice).refused(2)
    assert capture.read_bytes() == before


@pytest.mark.parametrize("link", ["cooked", "cooked-v2"])
def test_replay_of_cooked_frames(
    wirepath_: Wirepath, policy: Path, capture: Path, tmp_path: Path, link: str
) -> None:
    with read_capture(capture) as ethernet:
        frames = [Packet(frame.time_ns, frame.data, frame.wire_bytes, 1) for frame in ethernet]
    cooked = [packet for frame in frames if (packet := over(LINKS[link], frame))]
    file, passed, dropped = (tmp_path / name for name in ("any.pcap", "p.pcap", "d.pcapng"))
    write(file, cooked)
    written = ("--write-passed", passed, "--write-dropped", dropped)
    found = wirepath_("replay", policy, file, "--model", "--frames", "--json", *written).json()
    expected = wirepath_("replay", policy, capture, "--model", "--frames", "--json").json()
    assert found["frames_detail"] == expected["frames_detail"]
    assert found["bytes"] == expected["bytes"] - 14 * len(frames)
    assert found["rules"]["web"] == {"packets": 2, "bytes": 108 - 2 * 14, "dropped": 0}
    with read_capture(passed) as p, read_capture(dropped) as d:
        assert set(p.links) == set(d.links) == {LINKS[link].number}
        assert [frame.data for frame in d] == [cooked[0].data, cooked[3].data]
        assert [frame.data for frame in p] == [cooked[n].data for n in (1, 2, 4, 5)]


def test_replay_of_standard_input(policy: Path, capture: Path) -> None:
    asked = command("replay", policy, "-", "--model")
    for data in (capture.read_bytes(), gzip.compress(capture.read_bytes())):
        done = subprocess.run(asked, env=ENVIRONMENT, input=data, capture_output=True, check=True)
        assert done.stdout.startswith(b"standard input: 6 frames, ")
    for data, said in (
        (b"", b"the file is empty (capture again)"),
        (b"garbage", b"neither pcap nor pcapng (convert it with `editcap -F pcapng`)"),
    ):
        done = subprocess.run(asked, env=ENVIRONMENT, input=data, capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr == b"wirepath: read standard input: " + said + b"\n"
    before = capture.read_bytes()
    with capture.open("rb") as stdin:
        done = subprocess.run(
            [*asked, "--write-passed", str(capture)],
            env=ENVIRONMENT, stdin=stdin, capture_output=True, check=False,
        )  # fmt: skip
    assert (done.returncode, capture.read_bytes()) == (2, before)
    assert b"it is the capture itself (name another file)" in done.stderr
