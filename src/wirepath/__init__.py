"""wirepath: one policy file in, one verified eBPF datapath out.

From Python, as on the command line, a policy is read or built, checked, and put on an interface:

    from wirepath import Datapath, Policy, check, explain, replay

    policy = Policy.load("policy.toml")         # PolicyError has every problem, with its line
    check(policy).notes                         # valid, but probably mistakes
    explain(policy, "203.0.113.5").verdict      # for packets from this address, and why
    replay(policy, "web.pcap").verdicts         # frames judged by the real program

    datapath = Datapath.up("eth0", policy)      # serves until `down`, without any process
    datapath.apply(Policy.load("new.toml"))     # swapped between two packets
    datapath.bans.add("203.0.113.5", seconds=60)
    datapath.counters().document()              # plain values, as from every `document()`
    datapath.down()

Every exception that wirepath raises on purpose is a `WirepathError`. The public names are those in
``__all__``; docs/python.md has an example of each. The modules that define them may change.

Importing wirepath is cheap: the module of a name is loaded when the name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wirepath.datapath import Datapath
    from wirepath.datapath.diff import Difference
    from wirepath.datapath.live.ban_view import BanEntry
    from wirepath.datapath.live.bans import Bans
    from wirepath.datapath.live.counters import RuleCount, Stats
    from wirepath.datapath.live.rules import LiveRule
    from wirepath.datapath.live.sets import Sets
    from wirepath.datapath.status import Status
    from wirepath.errors import (
        AttachError,
        CaptureError,
        DamageError,
        FullError,
        KernelError,
        LayoutError,
        NotSupported,
        PinError,
        PolicyError,
        Problem,
        RequestError,
        VerifierError,
        WirepathError,
    )
    from wirepath.explanation import Explanation, explain
    from wirepath.judge import Replay, replay
    from wirepath.net import Prefix, Verdict
    from wirepath.pcap import Frame
    from wirepath.policy import Match, Policy, Rule, SetSpec
    from wirepath.report import Report, check

__version__ = "0.1.0"

__all__ = [
    "AttachError",
    "BanEntry",
    "Bans",
    "CaptureError",
    "DamageError",
    "Datapath",
    "Difference",
    "Explanation",
    "Frame",
    "FullError",
    "KernelError",
    "LayoutError",
    "LiveRule",
    "Match",
    "NotSupported",
    "PinError",
    "Policy",
    "PolicyError",
    "Prefix",
    "Problem",
    "Replay",
    "Report",
    "RequestError",
    "Rule",
    "RuleCount",
    "SetSpec",
    "Sets",
    "Stats",
    "Status",
    "Verdict",
    "VerifierError",
    "WirepathError",
    "check",
    "explain",
    "replay",
]

# The module that defines each name, for loading it on first use; those not listed are in errors.
_HOMES: Final = {
    "datapath": ("Datapath",),
    "datapath.diff": ("Difference",),
    "datapath.live.ban_view": ("BanEntry",),
    "datapath.live.bans": ("Bans",),
    "datapath.live.counters": ("RuleCount", "Stats"),
    "datapath.live.rules": ("LiveRule",),
    "datapath.live.sets": ("Sets",),
    "datapath.status": ("Status",),
    "explanation": ("Explanation", "explain"),
    "judge": ("Replay", "replay"),
    "net": ("Prefix", "Verdict"),
    "pcap": ("Frame",),
    "policy": ("Match", "Policy", "Rule", "SetSpec"),
    "report": ("Report", "check"),
}

if not TYPE_CHECKING:  # a type checker would otherwise accept any name

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = next((home for home, names in _HOMES.items() if name in names), "errors")
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted([*__all__, "__version__"])
