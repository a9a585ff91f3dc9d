"""``wirepath lab up|down|status|run``: a network in namespaces to try things in."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from wirepath.cli import show
from wirepath.cli.parser import add_json
from wirepath.lab import control

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wirepath.lab.network import Host

_COLUMNS: Final = ("host", "namespace", "interface", "ipv4", "ipv6")


def lab(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath lab``."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, help_, run in (
        ("up", "build the lab; an older one of that name is replaced", _up),
        ("down", "remove the lab and end the processes in it", _down),
        ("status", "show the hosts of the lab", _status),
    ):
        action = actions.add_parser(name, help=help_)
        _add_name(action)
        add_json(action)
        action.set_defaults(run=run)
    runner = actions.add_parser("run", help="run a command on a host of the lab")
    _add_name(runner)
    runner.add_argument("host", metavar="HOST", help="server, client or attacker")
    runner.add_argument("program", metavar="COMMAND", help="command to run there")
    runner.add_argument(
        "arguments", metavar="...", nargs=argparse.REMAINDER, help="arguments of the command"
    )
    runner.set_defaults(run=_run)


def _add_name(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--name", default="wp", help="name of the lab, beginning with wp; default: wp"
    )


def _up(options: Namespace) -> None:
    built = control.up(options.name)
    if options.json:
        hosts = {role: host.document() for role, host in built.hosts.items()}
        show.document({"name": built.name, "hosts": hosts})
        return
    _print_hosts(list(built.hosts.values()))
    show.line()
    show.line(f"`wirepath lab run {_option(options)}server COMMAND` runs a command there")


def _option(options: Namespace) -> str:
    return "" if options.name == "wp" else f"--name {options.name} "


def _print_hosts(hosts: list[Host]) -> None:
    show.table(_COLUMNS, map(_row, hosts))


def _row(host: Host) -> tuple[str, ...]:
    return host.role, host.namespace.name, host.interface, host.ipv4, host.ipv6


def _down(options: Namespace) -> None:
    control.down(options.name)
    if options.json:
        show.document({"name": options.name})
    else:
        show.line(f"lab {options.name}: down")


def _status(options: Namespace) -> None:
    found = control.status(options.name)
    if options.json:
        hosts = {each.host.role: each.document() for each in found}
        show.document({"name": options.name, "up": bool(found), "hosts": hosts})
        return
    if not found:
        show.line(f"lab {options.name}: not up")
    show.table(
        (*_COLUMNS, "xdp", "processes"),
        (
            (
                *_row(each.host),
                f"program {each.xdp}" if each.xdp else None,
                len(each.processes),
            )
            for each in found
        ),
    )


def _run(options: Namespace) -> None:
    control.execute(options.host, [options.program, *options.arguments], options.name)
