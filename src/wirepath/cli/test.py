"""``wirepath test ADDRESS``: says what would happen to packets from an address, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from wirepath.cli import show
from wirepath.cli.parser import add_live
from wirepath.errors import RequestError
from wirepath.net import HOOKS, Ct, format_address, parse_address

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from wirepath.explanation import Explanation, Step


def test(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath test``."""
    parser.add_argument("address", metavar="ADDRESS", type=parse_address, help="source address")
    parser.add_argument("--proto", metavar="P", type=_proto, help="protocol: tcp, udp, 47")
    parser.add_argument("--dport", metavar="N", type=_port, help="destination port")
    parser.add_argument(
        "--state",
        choices=get_args(Ct),
        help="state of the connection, as `ct` has it; default: any",
    )
    parser.add_argument(
        "--hook", choices=HOOKS, default="ingress", help="hook to judge at; default: ingress"
    )
    parser.add_argument(
        "--policy",
        metavar="FILE",
        type=Path,
        help="test the policy in FILE instead of a running one; needs no privilege",
    )
    add_live(parser)
    parser.set_defaults(run=_test)


def _proto(text: str) -> int:
    from wirepath.policy.numbers import FIELDS

    low, high = FIELDS["proto"].read(text)
    if low != high:
        raise RequestError(f"--proto {text}: a range (name one protocol)")
    return low


def _port(text: str) -> int:
    from wirepath.policy.numbers import FIELDS

    low, high = FIELDS["dport"].read(text)
    if low != high:
        raise RequestError(f"--dport {text}: a range (name one port)")
    return low


def _test(options: Namespace) -> None:
    from wirepath.policy.names import TCP, UDP

    if options.dport is not None and options.proto not in (None, TCP, UDP):
        raise RequestError("--dport: only tcp and udp have ports (leave out --dport or --proto)")
    if options.policy and options.iface:
        raise RequestError("--policy and --iface: a file or what is up there (name one)")
    found = _offline(options) if options.policy else _live(options)
    if options.json:
        show.document(found.document())
    else:
        for line in _told(found):
            show.line(line)
        show.table(("rule", "action", "matches"), map(_row, found.steps))


def _live(options: Namespace) -> Explanation:
    from wirepath.datapath import Datapath

    datapath = Datapath.open(options.iface)
    return datapath.explain(
        options.address,
        hook=options.hook,
        proto=options.proto,
        dport=options.dport,
        state=options.state,
    )


def _offline(options: Namespace) -> Explanation:
    from wirepath.explanation import explain
    from wirepath.policy import Policy

    return explain(
        Policy.load(options.policy),
        options.address,
        hook=options.hook,
        proto=options.proto,
        dport=options.dport,
        state=options.state,
    )


def _told(found: Explanation) -> Iterator[str]:
    where = "" if found.hook == "ingress" else f" at {found.hook}"
    address = f"{format_address(found.address)}{where}"
    if found.never_block:
        yield f"{address}: pass, as a management source (never_block)"
    elif found.ban:
        yield f"{address}: drop, banned by {found.ban.prefix}"
    else:
        verdict, rule = found.verdict.verdict, found.verdict.rule
        others = found.possible - {verdict}
        of_rules = others.intersection(v for step in found.steps for v in step.rule.action.may)
        named = " or ".join(sorted(of_rules))
        unless = f", unless a rule before that says {named}" if named else ""
        but = ", but later fragments are dropped" if others - of_rules else ""
        yield f"{address}: {verdict} {f'by rule {rule}' if rule else 'by default'}{unless}{but}"
    yield f"in sets: {', '.join(found.sets) or 'none'}"


def _row(step: Step) -> tuple[str, str, str]:
    matches = "always" if step.certain else f"if {', '.join(step.depends)}"
    return step.rule.name, step.rule.action.describe(), matches
