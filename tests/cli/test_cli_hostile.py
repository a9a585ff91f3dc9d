"""Hostile input: names that move the cursor, files without an end.

One line on stderr, the documented exit code, no traceback, in a bounded time.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.processes import ENVIRONMENT, Ended, Host, Wirepath, command, ended
from wirepath import inputs, outputs
from wirepath.cli import files, main
from wirepath.errors import PolicyError, Problem, RequestError, printable, shown
from wirepath.pcap import CaptureWriter


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Wirepath:
    """Run a command in this process, which is faster."""

    def run(*arguments: object) -> Ended:
        code = main([str(each) for each in arguments])
        return Ended(code, *capsys.readouterr())

    return run


# What no terminal may get from us: C0 but the end of a line, DEL, C1, marks of direction, line and
# paragraph separators.
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\udc80-\udcff]")
NASTY = {
    "newline": ("a\nwirepath: all is well", r"a\nwirepath: all is well"),
    "return": ("a\rb", r"a\rb"),
    "escape": ("a\x1b[2Jb", r"a\x1b[2Jb"),
    "delete": ("a\x7fb", r"a\x7fb"),
    "c1": ("a\x9b2Jb", r"a\u009b2Jb"),
    "bidi": ("a\u202etxt.b", r"a\u202etxt.b"),
    "isolate": ("a\u2066b", r"a\u2066b"),
    "line separator": ("a\u2028b", r"a\u2028b"),
    "next line": ("a\x85b", r"a\u0085b"),
    "no text": ("a\udcffb", r"a\xffb"),
    "tag": ("a\U000e0001b", r"a\U000e0001b"),
}
nasty = pytest.mark.parametrize(("raw", "escaped"), NASTY.values(), ids=NASTY)


@nasty
def test_printable(raw: str, escaped: str) -> None:
    assert printable(raw) == escaped
    assert printable(escaped) == escaped
    assert not RAW.search(shown(raw))
    assert str(Problem(raw, 1, raw, raw)).count(escaped) == 3
    assert str(PolicyError([Problem(raw, 1, raw, raw)])).count("\n") == 0


def test_what_people_write_stays() -> None:
    for text in ("", "web", "naïve Größe", "東京", "C:\\new", "\U0001f600"):
        assert printable(text) == text


def test_commands_print_by_show_alone() -> None:
    """What they print by themselves has no text from outside, or has escaped it."""
    known = {
        ("__init__.py", 'print(end="", flush=True)'),
        ("__init__.py", 'print(f"wirepath: {printable(text)}"'),
        ("life.py", 'print(f"note: {note}", file=sys.stderr)'),  # a Problem
        ("life.py", 'print(f"note: {printable(policy.file)}: {cut}", file=sys.stderr)'),
        ("life.py", 'print(f"note: {printable(policy.file)}: {legacy}", file=sys.stderr)'),
        ("life.py", 'print(f"note: {printable(policy.file)}: {printable(lost)}", file=sys.stderr)'),
        ("life.py", 'print(f"note: {printable(name)} is {told}", file=sys.stderr)'),
        ("replay.py", 'print(f"note: {missed} not written'),
        (
            "life.py",
            'print(f"warning: {printable(status.iface)}: {printable(warning)}", file=sys.stderr)',
        ),
        ("stats.py", 'print(_CLEAR, end="")'),
        ("top.py", 'print("\\n".join('),  # a screen, made of Text that is escaped
    }
    commands = Path(main.__code__.co_filename).parent
    found = {
        (file.name, line.strip())
        for file in commands.glob("*.py")
        for line in file.read_text().splitlines()
        if re.match(r"\s*print\(", line) and file.name != "show.py"
    }
    assert {each for each in found if not any(_is(each, one) for one in known)} == set()


def _is(each: tuple[str, str], known: tuple[str, str]) -> bool:
    return each[0] == known[0] and each[1].startswith(known[1])


def quoted(text: str) -> str:
    return json.dumps(text)  # TOML reads the escapes of JSON


@nasty
@pytest.mark.parametrize(
    "policy",
    [
        "[[rule]]\nname = {}\n",
        "[set.{}]\n",
        "[datapath]\n{} = 1\n",
        "[datapath]\ndefault = {}\n",
        '[[rule]]\nname = "x"\nmatch = {{ src = {} }}\n',
        '[[rule]]\nname = "x"\nmatch = {{ {} = 1 }}\n',
        "[set.x]\nfiles = [{}]\n",
        '[[rule]]\nname = "x"\nhook = "egress"\nmirror = {{ to = {} }}\n',
    ],
)
def test_no_text_of_a_policy_forges_a_line(
    here: Wirepath, tmp_path: Path, policy: str, raw: str, escaped: str
) -> None:
    if "\udcff" in raw:
        return  # no TOML
    file = tmp_path / "policy.toml"
    file.write_text(policy.format(quoted(raw)))
    said = here("check", file)
    assert said.code == 2 or ("mirror" in policy and escaped in said.out)  # a name for a device
    assert not RAW.search(said.out + said.err)
    assert all(line.startswith(f"wirepath: {file}:") for line in said.err.splitlines())


@nasty
def test_no_name_of_a_file_forges_a_line(
    wirepath_: Wirepath, tmp_path: Path, raw: str, escaped: str
) -> None:
    """Of a policy, of a list, of a capture, of an interface: in errors and in what is printed."""
    missing = tmp_path / raw
    for arguments in (("check", missing), ("up", raw, missing), ("replay", missing, missing)):
        assert f"/{escaped}: No such file" in wirepath_(*arguments).refused(2)
    assert escaped in wirepath_(raw).refused(2)
    assert escaped in wirepath_("check", missing, f"--{raw}").refused(2)
    assert escaped in wirepath_("ban", raw).refused(2)
    policy = tmp_path / f"{raw}.toml"
    policy.write_text('[set.x]\nfiles = ["list"]\n')
    (tmp_path / "list").write_text("192.0.2.1\n")
    said = wirepath_("check", policy)
    assert (said.code, said.out.splitlines()[0]) == (0, f"{tmp_path}/{escaped}.toml: valid")
    assert wirepath_("check", policy, "--json").json()["file"] == str(policy)


@nasty
def test_no_line_of_a_list_forges_a_line(
    here: Wirepath, policy: Path, raw: str, escaped: str
) -> None:
    if raw[1] in "\n\r":
        return  # ends the line of the list too
    policy.with_name("bad.txt").write_bytes(os.fsencode(f"{raw}\n{{{raw}\n"))
    said = here("check", policy)
    assert (said.code, said.out) == (2, "")
    assert not RAW.search(said.err)
    assert [line.split(":")[2] for line in said.err.splitlines()] == ["1", "2"]


def test_an_encoding_that_lacks_a_sign(wirepath_: Wirepath, tmp_path: Path) -> None:
    file = tmp_path / "größe-東京.toml"
    file.write_text("")
    said = wirepath_("check", file, env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"})
    assert (said.code, said.err) == (0, "")
    assert r"gr\xf6\xdfe-\u6771\u4eac.toml: valid" in said.out


# Files without an end, or of no kind that has one.

PLACES = ("policy", "list", "capture")


@contextmanager
def reading(place: str, file: Path, policy: Path) -> Iterator[list[object]]:
    """Give the command that reads *file* in that *place*."""
    if place == "policy":
        yield ["check", file]
    elif place == "capture":
        yield ["replay", policy, file, "--model"]
    else:
        other = policy.with_name("other.toml")
        other.write_text(policy.read_text().replace('"bad.txt"', quoted(str(file))))
        yield ["check", other]


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("place", PLACES)
def test_kinds_that_do_not_end(  # noqa: PLR0917 - fixtures
    here: Wirepath,
    policy: Path,
    tmp_path: Path,
    fifo: Path,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inputs, "_PATIENCE_S", 0.2)
    for file, why in (
        (Path("/dev/zero"), "a device, neither a file nor a pipe [EINVAL]"),
        (Path("/dev/random"), "a device, neither a file nor a pipe [EINVAL]"),
        (Path("/dev/tty"), "[E"),
        (Path("/proc/kmsg"), "[E"),
        (tmp_path, "Is a directory [EISDIR]"),
        (fifo, "a FIFO to which nothing was written for 0.2 s [ETIMEDOUT]"),
    ):
        with reading(place, file, policy) as arguments:
            assert why in here(*arguments).refused(2), file


@pytest.mark.parametrize("place", ["policy", "list"])
def test_sizes(wirepath_: Wirepath, policy: Path, tmp_path: Path, place: str) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(10 << 30)
    with reading(place, large, policy) as arguments:
        most = "16 MiB" if place == "policy" else "256 MiB"
        assert f"larger than {most} [EFBIG]" in wirepath_(*arguments, timeout=10).refused(2)
        if place == "policy":
            with Path("/dev/zero").open("rb") as zeros:
                said = subprocess.run(  # noqa: S602 - a pipe
                    f"head -c 40M | {' '.join(command('check', '/dev/stdin'))}",
                    shell=True,
                    stdin=zeros,
                    env=ENVIRONMENT,
                    capture_output=True,
                    text=True,
                    check=False,
                )
            assert f"larger than {most} [EFBIG]" in ended(said).refused(2)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "one.pcap"
    with CaptureWriter(path) as writer:
        writer.write(0, bytes(60))
    return path


def test_a_fifo_that_nothing_reads(
    here: Wirepath, policy: Path, capture: Path, fifo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "_PATIENCE_S", 0.2)
    why = "a FIFO that nothing has read from for 0.2 s [ENXIO] (name a file that can be written)"
    for option in ("--write-passed", "--write-dropped"):
        said = here("replay", policy, capture, "--model", option, fifo).refused(2)
        assert said == f"write {fifo}: {why}"
    with pytest.raises(RequestError) as caught:  # as `set dump -o` and `bans --save` do
        files.write(fifo, [b"192.0.2.1"])
    assert str(caught.value) == f"write {fifo}: {why}"


def test_a_fifo_whose_reader_comes_late(
    here: Wirepath, policy: Path, capture: Path, fifo: Path
) -> None:
    reader = subprocess.Popen(["sh", "-c", f"sleep 0.3; cat {fifo}"], stdout=subprocess.PIPE)
    said = here("replay", policy, capture, "--model", "--write-passed", fifo)
    assert (said.code, said.err) == (0, "")
    assert reader.communicate(timeout=20)[0] == capture.read_bytes()


def test_nothing_is_a_file_like_any(wirepath_: Wirepath) -> None:
    assert wirepath_("check", "/dev/null").out.startswith("/dev/null: valid")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a" + ".a" * 1_000_000 + " = 1", ":1"),
        ("# one\n[" + '"a". ' * 1_000_000 + "a]", ":2"),
        ("a = " + "[" * 1_000_000, ""),
        ("a = " + "[" * 100 + "]" * 100, ""),
        ("a = " + "{a=" * 100_000, ""),
        ("[a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a]\n" + "a." * 40 + "a = [[[[[[[]]]]]]]", ""),
    ],
)
def test_depth(wirepath_: Wirepath, tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "deep.toml"
    file.write_text(text)
    assert wirepath_("check", file, timeout=20).refused(2) == (
        f"{file}{line}: tables and lists are nested too deep (at most 32; a policy has 5)"
    )


def test_long_names_in_a_comment_are_no_key(wirepath_: Wirepath, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("# " + "f." * 32 + "ip6.arpa\n")
    assert wirepath_("check", file).code == 0


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "/" + "a/" * 3000])
def test_names_of_files_that_cannot_be(wirepath_: Wirepath, tmp_path: Path, name: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(f"[set.x]\nfiles = [{quoted(name)}]\n")
    assert f"wirepath: {file}:2: set.x.files: " in wirepath_("check", file).err
    assert wirepath_("check", file).refused(2)


def test_a_lone_return_ends_a_line(wirepath_: Wirepath, policy: Path) -> None:
    policy.with_name("bad.txt").write_bytes(b"# made long ago\r192.0.2.1\r\r192.0.2.300\r")
    said = wirepath_("check", policy).refused(2)
    assert said.startswith(f"{policy.with_name('bad.txt')}:4: 192.0.2.300: ")


# Captures.


@pytest.mark.parametrize("model", [["--model"], pytest.param([], marks=pytest.mark.kernel)])
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_550, 262_144])
def test_frames_of_any_size(
    wirepath_: Wirepath, policy: Path, tmp_path: Path, size: int, model: list[str]
) -> None:
    capture = tmp_path / "large.pcap"
    frame = bytes(12) + b"\x08\x00\x45" + bytes(max(0, size - 15))
    with CaptureWriter(capture) as writer:
        writer.write(0, frame[:size])
    for hook in ("ingress", "egress"):
        said = wirepath_("replay", policy, capture, "--hook", hook, *model)
        assert said.code == 0 or said.refused(said.code)


# Names in what is up.


@pytest.mark.kernel
def test_names_in_what_is_up(host: Host, policy: Path) -> None:
    odd = policy.with_name("a\nwp0: up\x1b[2J.toml")
    policy.rename(odd)
    escaped = r"/a\nwp0: up\x1b[2J.toml"
    assert host("up", "wp0", odd).code == 0
    for arguments in (("status",), ("top", "--once", "--interval", "0.1")):
        said = host(*arguments, env={**host.environment, "COLUMNS": "200"})
        assert said.code == 0
        assert escaped in said.out
        assert not RAW.search(said.out)
    assert host("status", "--json").json()["interfaces"][0]["policy"] == str(odd)


@pytest.mark.kernel
def test_an_interface_of_any_name(host: Host, policy: Path) -> None:
    """The kernel refuses only blanks, `/` and `:`."""
    name, escaped = "w\udcff\x1b[2J", r"w\xff\x1b[2J"
    host.namespace.run(["ip", "link", "set", "wp0", "down", "name", os.fsencode(name)], check=True)
    up = host("up", name, policy)
    assert up.err == ""
    assert up.out == f"{escaped}: up in native mode, 2 rules, 4 prefixes in 1 set\n"
    for arguments in (
        ("status",),
        ("stats",),
        ("rules",),
        ("bans",),
        ("ban", "192.0.2.1"),
        ("set", "list"),
        ("top", "--once", "--interval", "0.1"),
        ("apply", policy),
        ("doctor", name),
        ("down",),
    ):
        said = host(*arguments)
        assert said.err == ""
        assert not RAW.search(said.out)
    assert host("status", "--iface", name).refused(2).startswith(f"{escaped}: wirepath is not up")
