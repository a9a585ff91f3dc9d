"""`apply` with another rate or burst: keys keep what they have used, by the new measure."""

from collections.abc import Iterator

import pytest

from harness.numbered import Inbox, send
from harness.pair import IFNAME, Pair
from wirepath.datapath import Datapath
from wirepath.datapath.live.top_keys import top_keys
from wirepath.policy import Policy

_PORT = 6001


@pytest.fixture(params=["", ", exact = true"], ids=["hashed", "exact"])
def more(request: pytest.FixtureRequest) -> Iterator[str]:
    return request.param


def limited(limit: str, more: str, name: str = "slow") -> Policy:
    return Policy.parse(
        f'[[rule]]\nname = "{name}"\nmatch = {{ proto = "udp", dport = {_PORT} }}\n'
        f'limit = {{ {limit}, per = "src"{more} }}\n'
    )


def passed(hosts: Pair, inbox: Inbox, count: int) -> int:
    send(hosts.far, [_PORT], count=count)
    return len(inbox.take()[_PORT])


# What serves first and how many of 30 packets pass, what is applied and how many of 30 pass then;
# no interval of the second rate ends within a test.
CHANGES = {
    "raised-rate": ('rate = "1/h", burst = 1', 1, 'rate = "30/h", burst = 30', 29),
    "raised-from-a-day": ('rate = "1/h", burst = 24', 24, 'rate = "25/h", burst = 25', 1),
    "raised-burst": ('rate = "2/h", burst = 2', 2, 'rate = "2/h", burst = 12', 10),
    "lowered-rate": ('rate = "20/h", burst = 20', 20, 'rate = "10/h", burst = 20', 0),
    "lowered-rate-and-burst": ('rate = "40/h", burst = 40', 30, 'rate = "5/h", burst = 5', 0),
    "lowered-burst": ('rate = "20/h", burst = 20', 20, 'rate = "20/h", burst = 10', 0),
    "lowered-with-some-left": ('rate = "60/h", burst = 60', 30, 'rate = "40/h", burst = 40', 10),
    "another-key-unchanged": ('rate = "3/h"', 3, 'rate = "3/h"', 0),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_limit_holds_at_once(hosts: Pair, change: str, more: str) -> None:
    first, lets, second, then = CHANGES[change]
    with (
        Datapath.up(IFNAME, limited(first, more)) as datapath,
        Inbox(hosts.near, [_PORT]) as inbox,
    ):
        assert passed(hosts, inbox, 30) == lets
        datapath.apply(limited(second, more))
        assert passed(hosts, inbox, 30) == then
        datapath.down()


def test_a_raised_rate_refills_at_the_new_rate(hosts: Pair, more: str) -> None:
    """After a limit of a day, a fast rate lets packets through within its own time."""
    with (
        Datapath.up(IFNAME, limited('rate = "1/h", burst = 24', more)) as datapath,
        Inbox(hosts.near, [_PORT]) as inbox,
    ):
        assert passed(hosts, inbox, 30) == 24
        for rate in ('rate = "10k/s", burst = 1', 'rate = "10k/s"'):
            datapath.apply(limited(rate, more))
            assert passed(hosts, inbox, 1) == 1
        datapath.down()


def test_a_rule_in_the_place_of_another_starts_with_nothing_used(hosts: Pair) -> None:
    exact = ", exact = true"
    with (
        Datapath.up(IFNAME, limited('rate = "2/h"', exact)) as datapath,
        Inbox(hosts.near, [_PORT]) as inbox,
    ):
        assert passed(hosts, inbox, 5) == 2
        datapath.apply(Policy.parse(""))
        datapath.apply(limited('rate = "2/h"', exact, "other"))
        assert passed(hosts, inbox, 5) == 2
        with datapath.reading() as handles:
            [key] = top_keys(handles, 9)
        assert key.rule == "other"
        datapath.down()
