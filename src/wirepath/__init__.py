"""wirepath: one policy file in, one verified eBPF datapath out.

From Python, as from the command line: a policy is read or built, asked, and put on an interface.

    from wirepath import Datapath, Policy, check, explain, replay

    policy = Policy.load("policy.toml")         # PolicyError has every problem, with its line
    check(policy).notes                         # what is valid but hardly meant
    explain(policy, "203.0.113.5").verdict      # what its packets would get, and why
    replay(policy, "web.pcap").verdicts         # frames judged by the real program

    datapath = Datapath.up("eth0", policy)      # serves until `down`, without any process
    datapath.apply(Policy.load("new.toml"))     # from one packet to the next
    datapath.bans.add("203.0.113.5", seconds=60)
    datapath.counters().document()              # plain values, as every `document()` gives
    datapath.down()

Everything that is raised on purpose is a `WirepathError`. The names in ``__all__`` are the public
ones, and docs/python.md has an example of each; what they are imported from may change.

Importing wirepath itself costs nothing: a name is loaded when it is first asked for.
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

# Where each name is defined, for when it is first asked for.
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

if not TYPE_CHECKING:  # or any name at all would have a type

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = next((home for home, names in _HOMES.items() if name in names), "errors")
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted([*__all__, "__version__"])
