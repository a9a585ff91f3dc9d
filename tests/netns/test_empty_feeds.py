"""A feed that comes empty does not empty a set, unless the operator says so."""

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from harness.pair import IFNAME, Pair, python
from wirepath.datapath import Datapath
from wirepath.errors import PolicyError, RequestError
from wirepath.policy import Policy

# What a broken mirror leaves of a list.
EMPTY = {"empty": b"", "comments": b"# moved\n; see the new place\n"}
# An error page, or a new format: no list, even where bad lines may be skipped.
NO_LIST = {
    "a page": b"<html>\n<body>Not found</body>\n</html>\n",
    "other keys": b'{"address": "192.0.2.1"}\n{"address": "192.0.2.2"}\n',
    "metadata": b'{"type": "metadata", "records": 0}\n',
    "a document": b'{\n  "prefixes": [\n    "192.0.2.1"\n  ]\n}\n',
    "an array": b'["192.0.2.1", "192.0.2.2"]\n',
}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "feed.txt").write_text("192.0.2.0/24\n2001:db8::/32\n")
    file = tmp_path / "policy.toml"
    file.write_text(
        '[set.feed]\nfiles = ["feed.txt"]\n'
        '[[rule]]\nname = "bad"\nmatch = { src = "@feed" }\naction = "drop"\n'
    )
    return file


@pytest.mark.parametrize("how", EMPTY)
def test_it_is_refused_without_a_word(hosts: Pair, bpffs: Path, policy: Path, how: str) -> None:
    text = EMPTY[how]

    def wirepath(*words: str) -> CompletedProcess[str]:
        return hosts.near.run(python("-m", "wirepath", *words), capture_output=True, text=True)

    datapath = Datapath.up(IFNAME, Policy.load(policy))
    (policy.parent / "feed.txt").write_bytes(text)
    done = wirepath("apply", str(policy))
    assert done.returncode == 2
    assert done.stderr.endswith(
        f"wirepath: {policy}:1: set.feed: its files have become empty, and the set has 2 prefixes"
        " (--allow-empty empties it)\n"
    )
    done = wirepath("set", "load", "feed", str(policy.parent / "feed.txt"))
    assert done.returncode == 2
    assert done.stderr.endswith(
        "wirepath: @feed: the new contents are empty, and the set has 2 prefixes"
        " (--allow-empty empties it)\n"
    )
    assert datapath.sets.counts() == {"feed": 2}
    assert datapath.manifest.generation == 1
    assert wirepath("apply", str(policy), "--allow-empty").returncode == 0
    assert datapath.sets.counts() == {"feed": 0}
    # Where there is nothing to lose, nothing is asked.
    assert wirepath("apply", str(policy)).returncode == 0
    assert wirepath("set", "load", "feed", str(policy.parent / "feed.txt")).returncode == 0
    datapath.down()


@pytest.mark.parametrize("how", NO_LIST)
def test_what_is_no_list(hosts: Pair, bpffs: Path, policy: Path, how: str) -> None:
    """It is refused by check, apply and `set load`, whatever the operator allows."""
    datapath = Datapath.up(IFNAME, Policy.load(policy))
    feed = policy.parent / "feed.txt"
    feed.write_bytes(NO_LIST[how])
    said = f"{feed}: none of its lines is a prefix ("
    for words in (
        ("apply", str(policy)),
        ("set", "load", "feed", str(feed)),
        ("ban", "--file", str(feed)),
    ):
        allowed = [] if words[0] == "ban" else ["--allow-empty"]
        done = hosts.near.run(
            python("-m", "wirepath", *words, "--skip-bad", *allowed), capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (2, ""), words
        assert done.stderr.startswith(f"wirepath: {said}"), words
    assert datapath.sets.counts() == {"feed": 2}
    assert datapath.bans.all() == []
    assert datapath.manifest.generation == 1
    datapath.down()


def test_all_addresses_need_a_word(hosts: Pair, bpffs: Path, policy: Path) -> None:
    """In a list, in a set and in a ban; what is merely wide is noted."""

    def wirepath(*words: str, code: int = 0) -> str:
        argv = python("-m", "wirepath", *words)
        done = hosts.near.run(argv, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done.stderr

    datapath = Datapath.up(IFNAME, Policy.load(policy))
    feed = policy.parent / "feed.txt"
    feed.write_text("192.0.2.0/24\n::/0\n0.0.0.0/0\n")
    every = "::/0: every IPv6 address (take it out, or --yes)"
    cure = f"wirepath: {feed}:2: {every}\n"
    for words in (
        ("apply", str(policy)),
        ("apply", str(policy), "--dry-run"),
        ("set", "load", "feed", str(feed)),
    ):
        assert wirepath(*words, code=2).endswith(cure)
    assert wirepath("set", "add", "feed", "192.0.2.1", "::/0", code=2) == f"wirepath: {every}\n"
    assert wirepath("ban", "::/0", code=2) == f"wirepath: {every}\n"
    assert "every IPv4 address" in wirepath("ban", "--file", str(feed), code=2)
    saved = policy.parent / "saved.txt"
    saved.write_text('{"cidr": "192.0.2.1", "expires": null}\n{"cidr": "::/0", "expires": null}\n')
    assert wirepath("ban", "--file", str(saved), code=2) == f"wirepath: {saved}:2: {every}\n"
    assert datapath.sets.counts() == {"feed": 2}
    assert datapath.bans.all() == []
    assert wirepath("set", "add", "feed", "10.0.0.0/7", "2001::/16") == (
        "note: 10.0.0.0/7: shorter than /8, so it covers very many\n"
    )
    assert wirepath("ban", "2000::/15") == (
        "note: 2000::/15: shorter than /16, so it covers very many\n"
    )
    wide = "::/0: shorter than /16, so it covers very many\n"
    assert wirepath("set", "add", "feed", "::/0", "--yes") == f"note: {wide}"
    assert f"note: {feed}:2: {wide}" in wirepath("set", "load", "feed", str(feed), "--yes")
    assert f"wirepath: {feed}:2: {wide}" in wirepath("apply", str(policy), "--yes")
    assert datapath.sets.counts() == {"feed": 3}
    assert wirepath("ban", "198.51.100.0/24", "::/0", "--yes") == f"note: {wide}"
    assert wirepath("unban", "::/0") == ""
    feed.write_text("2000::/15\n")
    assert wirepath("apply", str(policy)).endswith(
        f"wirepath: {feed}:1: 2000::/15: shorter than /16, so it covers very many\n"
    )
    datapath.down()


def test_a_set_has_a_shortest_prefix(hosts: Pair, bpffs: Path, policy: Path) -> None:
    """A list, a live load and a live add are refused below it."""
    policy.write_text(policy.read_text().replace("]\n", "]\nmin_prefix = { ipv4 = 16 }\n", 1))
    datapath = Datapath.up(IFNAME, Policy.load(policy))
    feed = policy.parent / "feed.txt"
    feed.write_text("192.0.2.0/24\n10.0.0.0/9\n10.0.0.0/8\n2000::/8\n")
    short = "10.0.0.0/8: shorter than min_prefix, 16 (take it out)"
    for words, said in (
        (("apply", str(policy)), f"{feed}:3: {short}"),
        (("set", "load", "feed", str(feed)), f"{feed}:3: {short}"),
        (("set", "add", "feed", "10.0.0.0/8"), short),
    ):
        argv = python("-m", "wirepath", *words, "--yes")
        done = hosts.near.run(argv, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (2, f"wirepath: {said}\n")
    assert datapath.sets.counts() == {"feed": 2}
    assert datapath.sets.add("feed", "10.0.0.0/16").done == 1
    datapath.down()


def test_of_a_set_that_the_policy_itself_empties(hosts: Pair, bpffs: Path, policy: Path) -> None:
    """Taking the file out of the policy is deliberate."""
    datapath = Datapath.up(IFNAME, Policy.load(policy))
    datapath.apply(Policy.parse(policy.read_text().replace('files = ["feed.txt"]', "")))
    assert datapath.sets.counts() == {"feed": 0}
    datapath.sets.add("feed", ["192.0.2.1"])
    with pytest.raises(RequestError, match="the new contents are empty"):
        datapath.sets.replace("feed", [])
    assert datapath.sets.replace("feed", [], allow_empty=True) == 0
    (policy.parent / "feed.txt").write_text("")
    datapath.sets.add("feed", ["192.0.2.1"])
    with pytest.raises(PolicyError, match="its files have become empty"):
        datapath.apply(Policy.load(policy))
    datapath.down()
