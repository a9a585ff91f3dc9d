"""What ``wirepath doctor`` says of the rules of nft that an interface's packets meet."""

from errno import EPERM
from typing import Final

from wirepath.errors import KernelError
from wirepath.kernel import nft_uses
from wirepath.kernel.features import Finding
from wirepath.kernel.ruleset import Ruleset

_EVERY_PORT: Final = ((0, 65_535),)


def rules(name: str) -> list[Finding]:
    """Check the rules that packets of interface *name* meet, without changing any.

    Raises:
        KernelError: the kernel refuses to show them, for another reason than want of privilege.
    """
    try:
        ruleset = Ruleset.read()
    except KernelError as error:
        if error.errno != EPERM:
            raise
        return [Finding("nat", ok=None, detail="rules not readable", cure="run it as root")]
    return [_nat(ruleset, name), _tracking(ruleset, name)]


def _nat(ruleset: Ruleset, name: str) -> Finding:
    cure = 'a rule with challenge = "cookie" must not have these ports: see its `nat`'
    for family in (4, 6):
        packets = nft_uses.Packets(family, _EVERY_PORT, None, None)
        if found := nft_uses.moving(ruleset, name, packets):
            low, high = found.ports[0]
            ports = f"port {low}" if low == high else f"ports {low}-{high}"
            detail = f"rule {found.handle} of nft chain {found.chain} moves {ports} elsewhere"
            return Finding("nat", ok=None, detail=f"{detail} ({found.does})", cure=cure)
    if "nat" in nft_uses.legacy_tables():
        detail = "iptables-legacy has a nat table, which cannot be read"
        return Finding("nat", ok=None, detail=detail, cure=cure)
    return Finding("nat", ok=True, detail="no rule of nft moves ports elsewhere")


def _tracking(ruleset: Ruleset, name: str) -> Finding:
    found = nft_uses.untracking(ruleset, name) or nft_uses.zoning(ruleset, name)
    if not found:
        return Finding("tracking", ok=True, detail="no notrack and no zones in nft")
    detail = f"rule {found.handle} of nft chain {found.chain} has {found.does}"
    cure = "`ct` at ingress and tc_ingress comes before it: see `ct_zone`, or match at egress"
    return Finding("tracking", ok=None, detail=detail, cure=cure)
