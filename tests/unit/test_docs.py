"""The docs are true: links, commands, files, policies and keys that they name exist."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from wirepath import actions
from wirepath.cli import COMMANDS, main
from wirepath.net import Fault, Reason
from wirepath.policy import Policy, names
from wirepath.policy.match import Match

ROOT = Path(__file__).parents[2]
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EACH_PAPER = pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
REFERENCE = ROOT / "docs" / "policy.md"

# Programs that a shell block may call besides wirepath.
KNOWN = {"apt-get", "bpftool", "cd", "git", "ip", "pip", "sudo", "tcpdump", ".ci/run"}


def blocks(paper: Path, language: str) -> Iterator[str]:
    yield from re.findall(
        rf"^```{language}\n(.*?)^```", paper.read_text(), re.MULTILINE | re.DOTALL
    )


def prose(paper: Path) -> str:
    return re.sub(r"^```.*?^```", "", paper.read_text(), flags=re.MULTILINE | re.DOTALL)


def code_spans(paper: Path) -> Iterator[str]:
    yield from re.findall(r"`([^`]+)`", prose(paper))


def commands(paper: Path) -> Iterator[str]:
    """List every line of a shell block, and every command in the text."""
    for block in blocks(paper, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if command := line.partition("#")[0].strip():
                yield command
    yield from (span for span in code_spans(paper) if span.startswith(("make ", "wirepath ")))


def heading_ids(paper: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", prose(paper), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@EACH_PAPER
def test_links_lead_somewhere(paper: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", prose(paper)):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        found = paper.parent / path if path else paper
        assert found.exists(), target
        assert not heading or heading in heading_ids(found), target


@EACH_PAPER
def test_commands_exist(paper: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in commands(paper):
        program, *words = shlex.split(command)
        if program == "make":
            named = {word for word in words if re.fullmatch(r"[a-z-]+", word)}
            assert named <= targets, command
        elif program == "wirepath":
            assert not words[0].islower() or words[0].startswith("-") or words[0] in COMMANDS, (
                command
            )
        else:
            assert program in KNOWN, command


@EACH_PAPER
def test_options_exist(paper: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(paper):
        program, *words = shlex.split(command)
        options = set(re.findall(r"--[a-z-]+", command))
        if program != "wirepath" or words[0] not in COMMANDS or not options:
            continue
        asked = words[:2] if words[0] in {"set", "lab"} else words[:1]
        with pytest.raises(SystemExit):
            main([*asked, "--help"])
        assert options <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out)), command


@EACH_PAPER
def test_files_exist(paper: Path) -> None:
    places = ("bench", "bpf", "docs", "examples", "src", "tests")
    for span in code_spans(paper):
        if span.split("/")[0] in places and re.fullmatch(r"[\w./-]+", span) and "X" not in span:
            assert (ROOT / span).exists(), span


@EACH_PAPER
def test_policies_are_valid(paper: Path) -> None:
    for text in blocks(paper, "toml"):
        Policy.parse(text, file=paper.name, base=ROOT / "examples")


def test_reference_is_complete() -> None:
    words = set(re.findall(r"[\w-]+", " ".join(code_spans(REFERENCE))))
    of_the_language = {
        *(field.name for field in fields(Match)),
        *names.PROTOCOLS,
        *names.TCP_FLAGS,
        *names.ICMP_TYPES,
        *get_args(Fault),
        *get_args(Reason),
    }
    assert of_the_language <= words, of_the_language - words


def test_every_action_is_in_the_table_of_rules() -> None:
    lines = re.findall(r"^\| `(\w+)` \|.*$", REFERENCE.read_text(), re.MULTILINE)
    assert set(actions.keys()) <= set(lines)
    linked = set(re.findall(r"\(actions/(\w+)\.md\)", REFERENCE.read_text()))
    assert linked == {page.stem for page in (REFERENCE.parent / "actions").glob("*.md")}


def test_every_command_is_in_the_readme() -> None:
    listed = {
        span.split()[1] for span in code_spans(ROOT / "README.md") if span.startswith("wirepath ")
    }
    assert set(COMMANDS) <= listed
