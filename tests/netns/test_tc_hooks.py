"""Rules at the hooks of TC, on real traffic: by tcx and by clsact, with XDP in either mode."""

import json
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness.hooked import (
    EVEN,
    NOTHING,
    ODD,
    SOURCES,
    WAYS,
    check_nothing,
    end,
    on_hooks,
    policy,
    ports,
    qdiscs,
    served,
    serving,
)
from harness.numbered import Inbox, Sender, send
from harness.pair import IFNAME, IPV4, IPV6, Pair, ip, run
from wirepath.datapath import Datapath
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.generation.manifest import Tc
from wirepath.kernel.links import Mode
from wirepath.kernel.program import Program
from wirepath.lab.netns import Namespace
from wirepath.net import HOOKS, Prefix
from wirepath.policy import Policy
from wirepath.prefixes import Members

_LOAD_S = 3.0  # as much as the inboxes have room for, on a busy machine too

pytestmark = pytest.mark.parametrize(("tc", "mode"), WAYS)


def test_from_up_to_down(hosts: Pair, bpffs: Path, tc: Tc, mode: Mode) -> None:
    """`apply` adds, removes and changes hooks; the same generation serves at all of them."""
    with Datapath.up(IFNAME, policy("odd"), tc=tc, mode=mode) as datapath:
        assert {how["attach"] for how in datapath.status().hooks.values()} == {"xdp", tc}
        assert serving(hosts) == served("odd")
        datapath.apply(policy("even", ["egress"]))
        assert serving(hosts) == served("even", ["egress"])
        assert len(on_hooks()) == 1
        datapath.apply(policy("odd", ["ingress"]))
        assert serving(hosts) == served("odd", ["ingress"])
        assert on_hooks() == []
        assert "clsact" not in qdiscs()
        datapath.apply(policy("even"))
        assert serving(hosts) == served("even")
        assert datapath.status().warnings == ()
    end(bpffs)
    assert serving(hosts) == NOTHING


def test_both_versions_of_ip(hosts: Pair, bpffs: Path, tc: Tc, mode: Mode) -> None:
    text = "\n".join(
        f'[[rule]]\nname = "{hook}-v{version}"\nhook = "{hook}"\n'
        f'match = {{ {side} = "{address}", proto = "udp" }}\naction = "drop"\n'
        for hook, side in (("tc_ingress", "src"), ("egress", "dst"))
        for version, address in ((4, IPV4[1]), (6, IPV6[1]))
    )
    with Datapath.up(IFNAME, Policy.parse(text), tc=tc, mode=mode) as datapath:
        for here, addresses in ((hosts.far, (IPV4[0], IPV6[0])), (hosts.near, (IPV4[1], IPV6[1]))):
            for address in addresses:
                _say(here, address)
        counted = datapath.counters().rules
        assert {name: count.dropped for name, count in counted.items()} == {
            "tc_ingress-v4": 1,
            "tc_ingress-v6": 1,
            "egress-v4": 1,
            "egress-v6": 1,
        }
    end(bpffs)


def _say(host: Namespace, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.entered(), socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"!", (address, 9))


def test_other_programs_still_run(hosts: Pair, bpffs: Path, tc: Tc, mode: Mode) -> None:
    """Programs that were attached before run after ours, and see the packets that ours passes."""
    text = '[[rule]]\nname = "x"\nhook = "egress"\nmatch = { dport = 6203 }\naction = "drop"\n'
    with Generation.load(Policy.parse(text), Members.of([])) as other:
        other.hooks["egress"].program.pin(bpffs / "other")
    there = ("dev", IFNAME, "egress", "prio", "100", "bpf", "da", "pinned", str(bpffs / "other"))
    run(hosts.near, "tc", "qdisc", "add", "dev", IFNAME, "clsact")
    subprocess.run(["tc", "filter", "add", *there], check=True)
    (bpffs / "other").unlink()
    with Datapath.up(IFNAME, policy("odd"), tc=tc, mode=mode) as datapath:
        with Inbox(hosts.far, ports("egress")) as inbox:
            send(hosts.near, ports("egress"), address=IPV4[1])
            came = {port: len(numbers) for port, numbers in inbox.take().items()}
        assert came == {6201: 3, 6203: 0, 6202: 0, 6204: 0}
        datapath.down()
    assert len(on_hooks()) == 1
    run(hosts.near, "tc", "qdisc", "del", "dev", IFNAME, "clsact")
    check_nothing(bpffs)


def test_no_packet_is_lost_or_misjudged_by_applies_under_load(
    hosts: Pair, bpffs: Path, tc: Tc, mode: Mode
) -> None:
    """At both hooks of TC at once; the policies mean the same in different words."""
    at_both = ["tc_ingress", "egress"]
    dull = "".join(
        f'[[rule]]\nname = "r{n}"\nhook = {at_both}\nmatch = {{ src = "192.0.2.{n}" }}\n'
        for n in range(100)
    )
    one = policy("odd", at_both)
    two = Policy.parse(dull + "".join(_ends_words(hook) for hook in at_both))
    inward, outward = ports("tc_ingress"), ports("egress")
    with (
        Datapath.up(IFNAME, one, tc=tc, mode=mode) as datapath,
        Inbox(hosts.near, inward) as near,
        Inbox(hosts.far, outward) as far,
    ):
        with (
            Sender(hosts.far, inward) as sends_in,
            Sender(hosts.near, outward, IPV4[1]) as sends_out,
        ):
            ends, number = time.monotonic() + _LOAD_S, 0
            while number < 3 or time.monotonic() < ends:
                datapath.apply(one if number % 2 else two)
                number += 1
        came = near.take() | far.take()
        counted = datapath.counters().rules
        for hook, sender in (("tc_ingress", sends_in), ("egress", sends_out)):
            every = list(range(sender.sent))
            assert {port: came[port] for port in ODD[hook]} == dict.fromkeys(ODD[hook], every)
            assert all(came[port] == [] for port in EVEN[hook])
            assert counted[hook].dropped == 2 * sender.sent > 500
    end(bpffs)


def _ends_words(hook: str) -> str:
    ends = ", ".join(f'"{port}-{port}"' for port in EVEN[hook])  # type: ignore[index]
    match = f'proto = ["udp"], dport = [{ends}], dst = "198.51.100.0/24"'
    return f'[[rule]]\nname = "{hook}"\nhook = "{hook}"\naction = "drop"\nmatch = {{ {match} }}\n'


def test_who_takes_a_program_off_is_found_out(hosts: Pair, bpffs: Path, tc: Tc, mode: Mode) -> None:
    """`status` warns of a removed program, and `apply` attaches it again."""
    with Datapath.up(IFNAME, policy("odd"), tc=tc, mode=mode) as datapath:
        if tc == "clsact":
            run(hosts.near, "tc", "qdisc", "del", "dev", IFNAME, "clsact")
        else:
            for how in datapath.status().hooks.values():
                if how["attach"] == "tcx":
                    subprocess.run(
                        ["bpftool", "link", "detach", "id", str(how["link_id"])], check=True
                    )
        thing = "filter" if tc == "clsact" else "link"
        assert datapath.status().warnings == tuple(
            f"{hook}: our {thing} was removed, so no rule is in force there "
            f"(put it back: `wirepath apply {IFNAME} POLICY`)"
            for hook in ("tc_ingress", "egress")
        )
        assert serving(hosts) == served("odd", ["ingress"])
        datapath.apply(policy("even"))
        assert datapath.status().warnings == ()
        assert serving(hosts) == served("even")
    end(bpffs)


def test_live_sets_and_bans_reach_every_hook(hosts: Pair, bpffs: Path, tc: Tc, mode: Mode) -> None:
    """Also combinations of sets that had no member when the tables were built."""
    text = '[set.one]\nprefixes = ["192.0.2.1"]\ncounters = true\n[set.two]\n' + "".join(
        f'[[rule]]\nname = "{hook}"\nhook = "{hook}"\naction = "drop"\n'
        f'match = {{ {side} = ["@one", "!@two"] }}\n'
        for hook, side in (("ingress", "src"), ("tc_ingress", "src"), ("egress", "dst"))
    )
    far = Members.of([Prefix.parse(source) for source in SOURCES])
    with Datapath.up(IFNAME, Policy.parse(text), tc=tc, mode=mode) as datapath:
        assert serving(hosts) == NOTHING
        datapath.sets.add("one", far)
        none = {hook: str(dict.fromkeys(ports(hook), 0)) for hook in HOOKS}
        assert serving(hosts) == none
        datapath.sets.add("two", far)
        assert serving(hosts) == NOTHING
        datapath.sets.remove("two", far)
        dropped = {name: count.dropped for name, count in datapath.counters().rules.items()}
        assert dropped == {"ingress": 24, "tc_ingress": 0, "egress": 12}
        entries = {str(entry.prefix): entry.packets for entry in datapath.sets.counters("one")}
        assert entries == dict.fromkeys(SOURCES, 8) | {IPV4[1]: 8 + 12, "192.0.2.1": 0}
        datapath.apply(policy("odd", ["tc_ingress"]))
        datapath.bans.add(Prefix.parse(IPV4[0]))
        datapath.apply(policy("odd", ["egress"]))
        assert serving(hosts)["egress"] == none["egress"]
        reasons = datapath.counters().hooks["egress"].reasons
        assert reasons["banned"].packets == 12
    end(bpffs)


def test_a_limit_is_one_at_all_its_hooks(hosts: Pair, bpffs: Path, tc: Tc, mode: Mode) -> None:
    """Incoming and outgoing packets use up the same cells."""
    text = (
        '[[rule]]\nname = "few"\nhook = ["tc_ingress", "egress"]\n'
        'match = { proto = "udp" }\nlimit = { rate = "1/min", burst = 5, per = "rule" }\n'
    )
    with Datapath.up(IFNAME, Policy.parse(text), tc=tc, mode=mode) as datapath:
        with Inbox(hosts.near, [6101]) as near, Inbox(hosts.far, [6201]) as far:
            send(hosts.far, [6101], count=3)
            assert near.take() == {6101: [0, 1, 2]}
            send(hosts.near, [6201], count=5, address=IPV4[1])
            assert far.take() == {6201: [0, 1]}
        count = datapath.counters().rules["few"]
        assert (count.packets, count.dropped, count.exceeded) == (8, 3, 3)
    end(bpffs)


def test_management_gets_answers_too(hosts: Pair, bpffs: Path, tc: Tc, mode: Mode) -> None:
    """At egress `never_block` also applies to destinations."""
    text = f"[datapath]\nnever_block = {list(SOURCES)}\n" + "".join(
        f'[[rule]]\nname = "{hook}"\nhook = "{hook}"\naction = "drop"\n' for hook in HOOKS
    )
    with Datapath.up(IFNAME, Policy.parse(text), tc=tc, mode=mode) as datapath:
        assert serving(hosts) == NOTHING
        assert datapath.counters().hooks["egress"].reasons["never_block"].packets >= 12
        _say(hosts.near, "198.51.100.77")
        ip(hosts.near, "neigh", "replace", "198.51.100.77", "lladdr", "02:00:00:00:00:77",
           "dev", IFNAME, "nud", "permanent")  # fmt: skip
        _say(hosts.near, "198.51.100.77")
        assert datapath.counters().rules["egress"].dropped >= 1
    end(bpffs)


def test_defaults_by_hook(hosts: Pair, bpffs: Path, tc: Tc, mode: Mode) -> None:
    text = (
        '[datapath]\ndefault = { egress = "drop" }\n'
        f'[[rule]]\nname = "out"\nhook = "egress"\naction = "pass"\n'
        f'match = {{ proto = "udp", dport = {list(ODD["egress"])} }}\n'
        '[[rule]]\nname = "in"\nhook = "tc_ingress"\n'
    )
    with Datapath.up(IFNAME, Policy.parse(text), tc=tc, mode=mode):
        assert serving(hosts) == NOTHING | {"egress": "odd"}
    end(bpffs)


def test_programs_are_ours(hosts: Pair, bpffs: Path, tc: Tc, mode: Mode) -> None:
    """The programs in the JSON of `status` are those that the kernel runs."""
    with Datapath.up(IFNAME, policy("odd"), tc=tc, mode=mode) as datapath:
        hooks = datapath.status().document()["hooks"]
    assert json.loads(json.dumps(hooks)) == hooks
    assert [list(how) for how in hooks.values()] == [
        ["attach", "mode", "program_id", "link_id"],
        ["attach", "program_id", "link_id"],
        ["attach", "program_id", "link_id"],
    ]
    for hook, how in hooks.items():
        with Program.by_id(how["program_id"]) as program:
            assert program.name == hook
        assert (how["link_id"] is None) == (how["attach"] == "clsact")
    assert on_hooks() == [hooks[hook]["program_id"] for hook in ("tc_ingress", "egress")]
    end(bpffs)
