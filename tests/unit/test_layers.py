"""Imports point one way, in Python and in C; code reserved for one file is in no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "wirepath"
BPF = ROOT / "bpf"

# What each part of the package may import, lazily or for its types too. The parts on the right are
# listed above as well, so imports have no circle. The pure half and the kernel half do not meet
# below `datapath`, which with `judge` is the joint.
LAYERS: dict[str, str] = {
    "errors": "",
    "native": "",
    "inputs": "",
    "outputs": "",
    "toml": "",
    "toml_lines": "toml",
    "net": "errors",
    "width": "net",
    "document": "errors toml toml_lines",
    "quantities": "errors document",
    "actions": "errors net document quantities",
    "track": "net",
    "policy": "errors inputs net document actions track",
    "essentials": "net",
    "frame": "errors net track",
    "model": "errors net actions policy essentials frame",
    "prefixes": "errors net native",
    "plan": "errors inputs net width actions policy prefixes",
    "explanation": "errors net policy essentials model prefixes plan",
    "report": "errors net policy prefixes plan",
    "kernel": "errors native",
    "pcap": "errors inputs outputs native",
    "summary": "net policy frame",
    "joint": "errors net actions policy frame model prefixes plan explanation kernel pcap summary",
    "lab": "errors net native kernel joint",
    "bench": "errors net policy plan kernel joint lab",
    "cli": "errors inputs outputs net width quantities native policy prefixes plan explanation"
    " report essentials kernel pcap joint lab bench",
    "__main__": "cli",
}
JOINT = {"datapath", "judge"}

# The headers of the data plane, lowest first: each may include those before its own line.
HEADERS = """
    lib/bits lib/blake2s prefixes/prefix_layout prefixes/host_layout
    prefixes/ipv4_host_layout lib/siphash
    packet/verdict actions/mirror_mark
    packet/addr
    guard/ban_layout packet/kernel_context
    packet/pkt packet/link_header packet/xdp_bytes
    packet/merged
    trace prefixes/prefix prefixes/hosts prefixes/ipv4_hosts stats
    prefixes/prefix_counters manifest packet/wire
    actions/limit_demand
    packet/checksum actions/limit_bucket
    clock track/connections packet/cursor prefixes/literals prefixes/sets
    rules/clauses actions/limit_cells actions/mirror packet/scratch
    guard/essentials packet/foreign packet/misread
    track/packet_state track/icmp_state
    guard/ban_filter
    guard/bans packet/parse_ipv6 packet/parse_l4 actions/limit_ask actions/wireguard_mac1
    guard/ban_search actions/dscp rewrite/rewrite_dscp actions/wireguard_indexes
    rewrite/answers guard/guard packet/parse actions/limit rewrite/rewrite_l4 actions/wireguard_seen
    actions/limit_marks actions/reject actions/wireguard rewrite/rewrite
    actions/challenge
    actions/cookie
    rules/act rules/dimensions track/track_quoted
    rules/lanes rules/rows track/track
    rules/candidates rules/matched
    rules/residents
    rules/classify
    rules/byte_actions
    pipeline
    tc
"""
HEADER_RANK = {
    f"{name}.h": rank
    for rank, line in enumerate(HEADERS.strip().splitlines())
    for name in line.split()
}

# The header of an action needs no line above if only `act.h` includes it.
ACTION_RANK = HEADER_RANK["rules/act.h"] - 1

# Code that only some files of the data plane may contain: the pattern, and the files.
CONFINED = {
    r"\bxdp_md\b": ("datapath.bpf.c",),
    r"\b__sk_buff\b": ("datapath.bpf.c", "tc.h", "mirror.bpf.c", "act.h", "actions/*.h"),
    r"\bbpf_(ktime_get\w*|jiffies64)\(": ("clock.h",),
    r"\bstruct (ethhdr|iphdr|ipv6hdr|tcphdr|udphdr|icmphdr)\b": (
        "parse.h",
        "parse_ipv6.h",
        "parse_l4.h",
        "track_quoted.h",
        "rewrite.h",
        "rewrite_dscp.h",
        "rewrite_l4.h",
    ),
    r"\bbpf_xdp_adjust_\w+\(": ("rewrite.h",),
    r"\bbpf_(skb_store_bytes|l[34]_csum_replace)\(": ("rewrite_dscp.h", "link_header.h"),
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def component(dotted: str) -> str:
    name = dotted.split(".")[1]
    return "joint" if name in JOINT else name


def imported(source: str) -> Iterator[str]:
    """List every dotted name below ``wirepath`` that *source* imports, at any depth."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "wirepath":
            names = [f"wirepath.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            names = [node.module or ""]
        else:
            continue
        # Importing the version of the package imports no module.
        yield from (n for n in names if n.startswith("wirepath.") and n != "wirepath.__version__")


def at_run_time(source: str) -> str:
    """Leave out imports that only type checkers see."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return ast.unparse(tree)


def test_table_points_one_way() -> None:
    above: set[str] = set()
    for name, lower in LAYERS.items():
        assert set(lower.split()) <= above, f"{name} may import what stands below it"
        above.add(name)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_python(path: Path) -> None:
    inside = path.relative_to(PACKAGE).with_suffix("").parts
    if inside == ("__init__",):
        assert not list(imported(at_run_time(path.read_text()))), "importing wirepath costs nothing"
        return
    own = component(".".join(("wirepath", *inside)))
    assert own in LAYERS, f"{own} has no place in LAYERS yet"
    wrong = {
        name
        for name in imported(path.read_text())
        if component(name) not in {own, *LAYERS[own].split()}
    }
    assert not wrong


# Modules of actions that others may import: shared code, and limits, which other actions contain.
SHARED = {f"wirepath.actions.{name}" for name in ("action", "limit", "needs", "placed", "state")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_part_knows_an_action(path: Path) -> None:
    """An action declares what it needs, so other code never asks which action a rule has."""
    if path.parent.name == "actions":
        return
    named = {name for name in imported(path.read_text()) if name.startswith("wirepath.actions.")}
    assert named <= SHARED


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.MULTILINE)


def headers() -> set[str]:
    return {str(path.relative_to(BPF)) for path in BPF.rglob("*.h")}


def rank(header: str) -> int:
    return HEADER_RANK.get(header, ACTION_RANK)


def test_every_header_has_its_place() -> None:
    assert {name for name in headers() if not name.startswith("actions/")} <= set(HEADER_RANK)
    assert set(HEADER_RANK) <= headers()


@pytest.mark.parametrize("name", sorted(headers()))
def test_c(name: str) -> None:
    assert not {i for i in includes(BPF / name) if rank(i) >= rank(name)}


def test_layouts_are_all_that_native_code_shares_with_the_data_plane() -> None:
    native = PACKAGE / "native"
    own = {str(path.relative_to(native)) for path in native.rglob("*.h")}
    shared = {i for path in native.rglob("*.[ch]") for i in includes(path) if i not in own}
    layouts = {
        "prefixes/prefix_layout.h",
        "prefixes/host_layout.h",
        "prefixes/ipv4_host_layout.h",
        "guard/ban_layout.h",
    }
    assert shared - layouts == set()


@pytest.mark.parametrize("pattern", CONFINED)
def test_confined(pattern: str) -> None:
    found = [
        path
        for path in BPF.rglob("*.[ch]")
        if path.parent.name != "lab"
        and re.search(pattern, re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL))
    ]
    assert not [path for path in found if not any(map(path.match, CONFINED[pattern]))]
