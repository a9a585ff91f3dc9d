"""``wirepath doctor``: says what works here, what does not, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wirepath.cli import show
from wirepath.cli.parser import add_json
from wirepath.datapath import dead_pins
from wirepath.kernel import features, nft_findings
from wirepath.kernel.bpffs import place

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_WORDS: Final = {True: "ok", False: "no", None: "unknown"}


def doctor(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath doctor``."""
    parser.add_argument("iface", metavar="IFACE", nargs="?", help="interface to check as well")
    add_json(parser)
    parser.set_defaults(run=_doctor)


def _doctor(options: Namespace) -> int:
    findings = features.system() + dead_pins.findings(place())
    if options.iface:
        findings += [*features.interface(options.iface), *nft_findings.rules(options.iface)]
    if options.json:
        found = [finding.document() for finding in findings]
        show.document({"iface": options.iface, "findings": found})
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            show.line(f"{_WORDS[finding.ok]:7}  {finding.name:{width}}  {finding.detail}")
            if finding.cure:
                show.line(f"{'':7}  {'':{width}}  -> {finding.cure}")
    return 1 if any(finding.ok is False for finding in findings) else 0
