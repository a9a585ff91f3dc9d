"""A feed that comes empty does not empty a set, unless the operator says so."""

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from harness.pair import IFNAME, Pair, python
from wirepath.datapath import Datapath
from wirepath.errors import PolicyError, RequestError
from wirepath.policy import Policy

# What a broken mirror, an error page or a new format leaves of a list.
EMPTY = {
    "empty": (b"", False),
    "comments": (b"# moved\n; see the new place\n", False),
    "a page": (b"<html><body>Not found</body></html>\n", True),
    "other keys": (b'{"address": "192.0.2.1"}\n{"address": "192.0.2.2"}\n', False),
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
    text, skip_bad = EMPTY[how]

    def wirepath(*words: str) -> CompletedProcess[str]:
        skipping = ["--skip-bad"] if skip_bad else []
        return hosts.near.run(
            python("-m", "wirepath", *words, *skipping), capture_output=True, text=True
        )

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
