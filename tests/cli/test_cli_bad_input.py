"""Bad input: one line that says what is wrong and what to do, the exit code, nothing changed."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.frames import Eth, IPv4, Udp
from harness.links import LINKS, Packet, ethernet, over
from harness.links import write as write_capture
from harness.processes import ENVIRONMENT, Ended, Host, Wirepath, ended
from wirepath.kernel.links import XdpLink
from wirepath.kernel.maps import Map
from wirepath.kernel.program import Program
from wirepath.native import lib
from wirepath.pcap import CaptureWriter

# Becomes the user nobody after all imports: only root may be able to read the source tree.
_AS_NOBODY = """
import importlib, os, pkgutil, sys
import wirepath
for module in pkgutil.walk_packages(wirepath.__path__, "wirepath."):
    if not module.name.endswith(("__main__", ".build")):
        importlib.import_module(module.name)
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
sys.exit(wirepath.cli.main(sys.argv[1:]))
"""


@pytest.fixture
def as_nobody(host: Host) -> Callable[..., Ended]:
    def run(*arguments: object) -> Ended:
        argv = [sys.executable, "-c", _AS_NOBODY, *map(str, arguments)]
        options = {"env": host.environment, "capture_output": True, "text": True}
        return ended(host.namespace.run(argv, **options))

    return run


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


# Policies. `up`, `apply` and `replay` refuse a policy with the same message as `check`.


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["[datapath]", 'defualt = "drop"'],
            "{file}:2: datapath.defualt: unknown key (did you mean default?)",
        ),
        (
            ["[[rule]]", 'name = "x"', 'match = { src = "192.0.2.1/24" }'],
            "{file}:3: rule.x.match.src: 192.0.2.1/24: host bits are set (write 192.0.2.0/24, or 192.0.2.1 alone)",  # noqa: E501
        ),
        (
            ["[set.bad]", "[[rule]]", 'name = "x"', 'match = { src = "@bda" }'],
            "{file}:4: rule.x.match.src: @bda: no such set (did you mean bad?)",
        ),
        (
            ["[[rule]]", 'name = "x"', 'match = { src = "@bad" }'],
            "{file}:3: rule.x.match.src: @bad: no such set (write a [set.bad] table)",
        ),
    ],
)
def test_policy(wirepath_: Wirepath, tmp_path: Path, lines: list[str], said: str) -> None:
    file = write(tmp_path / "policy.toml", *lines)
    expected = said.format(file=file)
    assert wirepath_("check", file).refused(2) == expected
    assert wirepath_("check", file, "--json").refused(2) == expected
    assert wirepath_("test", "192.0.2.1", "--policy", file).refused(2) == expected
    assert wirepath_("up", "wp-nowhere", file).refused(2) == expected


def test_every_problem_has_a_line(wirepath_: Wirepath, tmp_path: Path) -> None:
    file = write(tmp_path / "policy.toml", "[datapath]", "a = 1", "b = 2")
    said = wirepath_("check", file)
    assert (said.code, said.out) == (2, "")
    first, second = said.err.splitlines()
    assert first.startswith(f"wirepath: {file}:2: datapath.a: unknown key")
    assert second.startswith(f"wirepath: {file}:3: datapath.b: unknown key")


def test_of_many_problems_the_first_are_printed(wirepath_: Wirepath, tmp_path: Path) -> None:
    keys = [f"key{n} = 1" for n in range(100_000)]
    file = write(tmp_path / "policy.toml", "[datapath]", *keys)
    said = wirepath_("check", file)
    assert (said.code, said.out) == (2, "")
    lines = said.err.splitlines()
    assert len(lines) == 21
    assert lines[19].startswith(f"wirepath: {file}:21: datapath.key19: unknown key")
    assert lines[20] == f"wirepath: {file}: ... and 99,980 more"


def test_widths_of_prefixes(wirepath_: Wirepath, policy: Path) -> None:
    """All addresses are refused in a list and noted in a policy; `min_prefix` refuses in both."""
    bad = write(policy.with_name("bad.txt"), "192.0.2.1", "0.0.0.0/0")
    cure = "0.0.0.0/0: every IPv4 address (take it out, or --yes)"
    assert wirepath_("check", policy).refused(2) == f"{bad}:2: {cure}"
    assert wirepath_("check", policy, "--yes").code == 0
    write(bad, "10.0.0.0/7")
    note = "10.0.0.0/7: shorter than /8, so it covers very many"
    assert f"note: {bad}:1: {note}" in wirepath_("check", policy).out.splitlines()
    assert wirepath_("check", policy, "--json").json()["notes"][-1]["message"] == note
    file = write(policy.with_name("own.toml"), "[set.x]", 'prefixes = ["0.0.0.0/0", "::/0"]')
    said = wirepath_("check", file)
    assert said.code == 0
    for each, short in (("0.0.0.0/0", "/8"), ("::/0", "/16")):
        expected = (
            f"note: {file}:2: set.x.prefixes: {each}: shorter than {short}, so it covers very many"
        )
        assert expected in said.out.splitlines()
    write(file, "[set.x]", "min_prefix = 16", 'prefixes = ["10.0.0.0/8", "2001:db8::/32"]')
    assert wirepath_("check", file, "--yes").refused(2) == (
        f"{file}:3: set.x.prefixes: 10.0.0.0/8: shorter than min_prefix, 16 (take it out)"
    )


def test_bad_lines_of_set_files(wirepath_: Wirepath, policy: Path) -> None:
    bad = write(policy.with_name("bad.txt"), "10.0.0.0/8", "10.0.0.1/8", "# fine", "x")
    said = wirepath_("check", policy)
    assert (said.code, said.out) == (2, "")
    first, second = said.err.splitlines()
    assert first.startswith(f"wirepath: {bad}:2: 10.0.0.1/8: ")
    assert second.startswith(f"wirepath: {bad}:4: x: ")


def test_missing_files(wirepath_: Wirepath, policy: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert "name a policy file" in wirepath_("check", nowhere).refused(2)
    assert "name a pcap" in wirepath_("replay", policy, nowhere).refused(2)
    policy.with_name("bad.txt").unlink()
    assert "bad.txt" in wirepath_("check", policy).refused(2)


# Captures.


def test_truncated_capture(wirepath_: Wirepath, policy: Path, tmp_path: Path) -> None:
    capture, passed = tmp_path / "cut.pcap", tmp_path / "passed.pcap"
    with CaptureWriter(capture) as writer:
        writer.write(0, bytes(Eth() / IPv4() / Udp()))
        writer.write(1, bytes(Eth() / IPv4() / Udp()))
    capture.write_bytes(capture.read_bytes()[:-5])
    for model in ([], ["--model"]):
        said = wirepath_("replay", policy, capture, *model, "--write-passed", passed).refused(2)
        assert said.startswith(f"read {capture}: the file ends inside frame 2")
    assert not passed.exists()


def test_captures_that_cannot_be_judged(wirepath_: Wirepath, policy: Path, tmp_path: Path) -> None:
    capture, passed = tmp_path / "x.pcap", tmp_path / "passed.pcap"
    for link, size, said in (
        (
            105,
            60,
            "link type 105 (802.11) is not judged (capture on an Ethernet interface: `tcpdump",
        ),
        (113, 15, "frame 1: ends inside the header of link type 113 (Linux cooked, as from the"),
        (276, 19, "frame 1: ends inside the header of link type 276 (Linux cooked v2, as from the"),
    ):
        write_capture(capture, [Packet(0, bytes(size), size, link)])
        arguments = ("replay", policy, capture, "--model", "--write-passed", passed)
        assert wirepath_(*arguments).refused(2).startswith(f"read {capture}: {said}")
    for data in (b"\x1f\x8bgarbage", gzip.compress(bytes(1000))[:-9]):
        capture.write_bytes(data)
        assert wirepath_("replay", policy, capture, "--model").refused(2) == (
            f"read {capture}: the compressed data is damaged or ends early (copy it again)"
        )
    assert not passed.exists()


def test_pcap_cannot_hold_several_links(wirepath_: Wirepath, policy: Path, tmp_path: Path) -> None:
    frame = ethernet(bytes(Eth() / IPv4() / Udp()))
    cooked = over(LINKS["cooked"], frame)
    assert cooked
    capture = write_capture(tmp_path / "x.pcapng", [frame, cooked])
    passed = tmp_path / "passed.pcap"
    asked = ("replay", policy, capture, "--model", "--write-passed")
    assert wirepath_(*asked, passed).refused(2) == (
        f"write {passed}: the capture has frames of several link types, which pcap cannot hold "
        "(name a .pcapng file)"
    )
    assert wirepath_(*asked, passed.with_suffix(".pcapng")).code == 0


# Interfaces.


@pytest.mark.kernel
def test_no_such_interface(host: Host, policy: Path) -> None:
    before = host.state()
    expected = "wp9: no such interface (`ip link` lists them)"
    assert host("up", "wp9", policy).refused(2) == expected
    assert host("doctor", "wp9").refused(2) == expected
    assert "wirepath is not up there" in host("status", "--iface", "wp9").refused(2)
    assert host.state() == before


def _program() -> Program:
    with_frags = False
    return Program(lib.wp_probe_xdp(with_frags))


@pytest.mark.kernel
def test_foreign_program(host: Host, policy: Path) -> None:
    with _program() as foreign, host.namespace.entered():
        link = XdpLink.attach(foreign, host.interface().index)
    with link:
        before = host.state()
        assert before[0] == link.program_id
        said = host("up", "wp0", policy).refused(1)
        assert said.startswith("attach wp0: XDP program ")
        assert f"(id {link.program_id}) is there already, in native mode" in said
        assert host.state() == before


@pytest.mark.kernel
def test_up_twice(host: Host, policy: Path) -> None:
    assert host("up", "wp0", policy).code == 0
    before = host.state()
    said = host("up", "wp0", policy)
    assert said.code in (1, 2)
    assert "`wirepath apply wp0 POLICY`" in said.refused(said.code)
    assert host.state() == before


# The system.


@pytest.mark.kernel
def test_no_root(host: Host, policy: Path, as_nobody: Callable[..., Ended]) -> None:
    # An open file: the user nobody may be unable to read the directory of the test.
    readable = Path("/proc/self/fd/0")
    before = host.state()
    for arguments in (
        ("up", "wp0", readable),
        ("apply", readable),
        ("down",),
        ("status", "--json"),
        ("stats",),
        ("rules",),
        ("ban", "192.0.2.1"),
        ("bans",),
        ("set", "list"),
        ("test", "192.0.2.1"),
        ("lab", "up"),
        ("bench", "--quick"),
    ):
        said = as_nobody(*arguments).refused(1)
        assert "root" in said, arguments
    assert host.state() == before
    doctor = as_nobody("doctor")
    assert doctor.code == 1
    assert "-> run it as root" in doctor.out


@pytest.mark.kernel
def test_no_root_with_a_datapath_up(
    host: Host, policy: Path, as_nobody: Callable[..., Ended]
) -> None:
    assert host("up", "wp0", policy).code == 0
    before = host.state()
    for arguments in (("status",), ("down", "wp0"), ("ban", "192.0.2.1"), ("set", "dump", "bad")):
        assert "root" in as_nobody(*arguments).refused(1), arguments
    assert host.state() == before


@pytest.mark.kernel
def test_no_bpffs(host: Host, policy: Path) -> None:
    before = host.state()
    environment = host.environment | {"WIREPATH_BPFFS": "/proc/no-such-place"}
    for arguments in (("up", "wp0", policy), ("status",), ("ban", "192.0.2.1")):
        said = host(*arguments, env=environment).refused(1)
        assert "/proc/no-such-place" in said
        assert "WIREPATH_BPFFS" in said
    assert host.state() == before


@pytest.fixture
def aged(host: Host, policy: Path) -> Host:
    """Bring up a datapath whose manifest says that a newer version wrote it."""
    assert host("up", "wp0", policy).code == 0
    (manifest,) = host.bpffs.rglob("manifest")
    with Map.open(manifest) as pages, pages.memory() as memory:
        text = bytes(memory).replace(b'"version":"', b'"version":"9', 1)
        text = text.replace(b'"schema":', b'"schema":9', 1)
        memory[:] = text[: len(memory)]
    return host


@pytest.mark.kernel
def test_pins_of_another_version(aged: Host, policy: Path) -> None:
    before = aged.state()
    for arguments in (
        ("apply", policy),
        ("down", "wp0"),
        ("stats",),
        ("rules",),
        ("ban", "192.0.2.1"),
        ("set", "add", "bad", "192.0.2.1"),
        ("test", "192.0.2.1"),
    ):
        said = aged(*arguments).refused(1)
        assert said.startswith("open wp0: wirepath 9"), said
        assert "put it up, whose manifest this one" in said
    assert aged("up", "wp0", policy).code != 0
    assert aged.state() == before


@pytest.mark.kernel
def test_one_datapath_of_another_version_does_not_hide_the_rest(aged: Host, policy: Path) -> None:
    assert aged("up", "wp1", policy).code == 0
    said = aged("status", "--json")
    assert said.code == 1
    assert '"iface": "wp1"' in said.out
    assert said.err.startswith("wirepath: open wp0: wirepath 9")


@pytest.mark.kernel
def test_unknown_set_and_bad_list(host: Host, policy: Path, tmp_path: Path) -> None:
    assert host("up", "wp0", policy).code == 0
    before, contents = host.state(), host("set", "dump", "bad").out
    for action in (("add", "bda", "10.0.0.1"), ("dump", "bda"), ("load", "bda", policy)):
        assert host("set", *action).refused(2).startswith("@bda: no such set"), action
    bad = write(tmp_path / "list.txt", "10.0.0.1", "10.0.0.300")
    said = host("set", "load", "bad", bad)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"wirepath: {bad}:2: 10.0.0.300: ")
    assert "name a list" in host("set", "load", "bad", tmp_path / "nowhere").refused(2)
    assert "can be written" in host("set", "dump", "bad", "-o", tmp_path).refused(2)
    assert (host.state(), host("set", "dump", "bad").out) == (before, contents)
    assert host("set", "load", "bad", bad, "--skip-bad").out == (
        f"@bad: loaded from {bad}, 1 bad line skipped; now 1 prefix\n"
    )


@pytest.mark.kernel
def test_bans(host: Host, policy: Path, tmp_path: Path) -> None:
    assert host("up", "wp0", policy).code == 0
    file = write(tmp_path / "bans.jsonl", "10.0.0.1", "10.0.0.1/8", "x", '{"expires": 1}')
    nowhere = tmp_path / "no" / "where"
    for arguments, said in (
        (("ban",), "ban: no sources (name prefixes, or --file FILE)"),
        (("unban",), "unban: no sources (name prefixes, or --file FILE, or --all)"),
        (("ban", "10.0.0.1", "--file", file), "ban: too many ways to name sources (name"),
        (("unban", "--all", "--file", file), "unban: too many ways to name sources (name"),
        (
            ("ban", "--file", file),
            f"{file}:2: 10.0.0.1/8: host bits set, the prefix is 10.0.0.0/8, and 2 bad lines more",
        ),
        (("unban", "--file", file), f"{file}:2: 10.0.0.1/8: host bits set"),
        (("ban", "--file", nowhere), f"read {nowhere}: No such file or directory [ENOENT] (name"),
        (("bans", "--save", nowhere), f"write {nowhere}: No such file or directory [ENOENT] (name"),
        (("bans", "--save", "/proc/x"), "write /proc/x: "),
    ):
        assert host(*arguments).refused(2).startswith(said), arguments
    assert host("bans").out == "wp0: no bans\n"


@pytest.mark.kernel
def test_a_full_table_of_bans(host: Host, policy: Path, tmp_path: Path) -> None:
    assert host("up", "wp0", policy).code == 0
    feed = tmp_path / "feed.txt"
    hosts = (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(1_000_000))
    feed.write_text("".join(hosts))
    assert host("ban", "--file", feed).code == 0
    assert host("ban", "192.0.2.1", "192.0.2.2").refused(1) == (
        "ban 2 sources: the table is full, it holds 1000000; 0 were banned before [E2BIG]"
        " (lift some: `wirepath unban`; or ban prefixes in place of addresses)"
    )
    [status] = host("status", "--json").json()["interfaces"]
    assert status["warnings"] == ["bans: 1000000 of 1000000 used (lift some: `wirepath unban`)"]
    assert host("unban", "10.0.0.1", "--json").json()["unbanned"] == ["10.0.0.1"]
    assert host("ban", "192.0.2.1").code == 0


@pytest.mark.kernel
def test_bad_lines_are_skipped_if_the_operator_says_so(host: Host, policy: Path) -> None:
    write(policy.with_name("bad.txt"), "10.0.0.0/8", "x")
    before = host.state()
    refused = host("up", "wp0", policy)
    assert (refused.code, refused.out) == (2, "")
    assert "bad.txt:2: x: " in refused.err
    assert host.state() == before
    assert host("up", "wp0", policy, "--skip-bad").code == 0
    assert host("apply", policy).code == 2
    said = host("apply", policy, "--skip-bad")
    assert "bad.txt: 1 bad line skipped" in said.out


def test_standard_input_is_a_file_like_any(policy: Path) -> None:
    argv = [sys.executable, "-m", "wirepath", "check", "/dev/stdin"]
    done = subprocess.run(
        argv, env=ENVIRONMENT, input="", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "/dev/stdin: valid")
