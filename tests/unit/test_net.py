import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirepath.errors import RequestError
from wirepath.net import Fault, Prefix, Reason, VerdictName, format_address, parse_address

BPF = Path(__file__).parents[2] / "bpf"

addresses = st.ip_addresses().filter(lambda a: a.version == 4 or a.ipv4_mapped is None)


@st.composite
def networks(draw: st.DrawFn) -> str:
    address = draw(addresses)
    bits = draw(st.integers(0, address.max_prefixlen))
    return str(ip_network(f"{address}/{bits}", strict=False))


@pytest.mark.parametrize(
    ("enum", "names"),
    [("verdict", VerdictName), ("reason", Reason), ("fault", Fault)],
)
def test_names_are_those_of_the_data_plane(enum: str, names: object) -> None:
    text = re.sub(r"/\*.*?\*/", "", (BPF / "packet" / "verdict.h").read_text(), flags=re.DOTALL)
    body = re.search(rf"enum {enum} \{{(.*?)\}}", text, re.DOTALL)
    assert body
    constants = [name.strip().lower() for name in body[1].split(",") if name.strip()]
    spoken = [name.removeprefix(f"{enum}_") for name in constants]
    assert [n for n in spoken if n not in {"continue", "none", "max"}] == list(get_args(names))


@given(addresses)
def test_address_round_trip(address: object) -> None:
    text = str(address)
    assert format_address(parse_address(text)) == text


@given(networks())
def test_prefix_round_trip(text: str) -> None:
    prefix = Prefix.parse(text)
    assert Prefix.parse(str(prefix)) == prefix
    assert ip_network(str(prefix)) == ip_network(text)


@given(networks(), addresses)
def test_prefix_holds_what_ipaddress_says(text: str, address: object) -> None:
    network, ip = ip_network(text), ip_address(str(address))
    assert (parse_address(str(ip)) in Prefix.parse(text)) == (ip in network)


@given(networks())
def test_prefix_ends(text: str) -> None:
    network, prefix = ip_network(text), Prefix.parse(text)
    assert parse_address(str(network[0])) == prefix.address
    assert prefix.family == network.version
    if not (network.version == 6 and prefix.last >> 32 == 0xFFFF):
        assert parse_address(str(network[-1])) == prefix.last


@given(networks(), networks())
def test_prefix_covers_what_ipaddress_says(one: str, other: str) -> None:
    a, b = ip_network(one), ip_network(other)
    expected = a.version == b.version and b.subnet_of(a)  # type: ignore[arg-type]
    assert Prefix.parse(one).covers(Prefix.parse(other)) == expected


def test_every_ipv6_address_is_no_ipv4_one() -> None:
    every6 = Prefix.parse("::/0")
    assert parse_address("2001:db8::1") in every6
    assert parse_address("192.0.2.1") not in every6
    assert not every6.covers(Prefix.parse("10.0.0.0/8"))
    assert str(every6) == "::/0"
    assert str(Prefix.parse("0.0.0.0/0")) == "0.0.0.0/0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.1/8", "10.0.0.1/8: host bits are set (write 10.0.0.0/8, or 10.0.0.1 alone)"),
        (
            "2001:db8::1/32",
            "2001:db8::1/32: host bits are set (write 2001:db8::/32, or 2001:db8::1 alone)",
        ),
        ("10.0.0.0/33", "10.0.0.0/33: not a prefix (its length is a number from 0 to 32)"),
        ("10.0.0.0/-1", "10.0.0.0/-1: not a prefix (its length is a number from 0 to 32)"),
        ("10.0.0.0/", "10.0.0.0/: not a prefix (its length is a number from 0 to 32)"),
        (
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/255.0.0.0: not a prefix (its length is a number from 0 to 32)",
        ),
        ("::/129", "::/129: not a prefix (its length is a number from 0 to 128)"),
        (
            "::ffff:192.0.2.1",
            "::ffff:192.0.2.1: an IPv4 address in IPv6 form (write it as IPv4: 192.0.2.1)",
        ),
        (
            "example.org",
            "example.org: not an address (write it like 192.0.2.1 or 2001:db8::1, without port)",
        ),
        (
            "192.0.2.1:80",
            "192.0.2.1:80: not an address (write it like 192.0.2.1 or 2001:db8::1, without port)",
        ),
        ("fe80::1%eth0", "fe80::1%eth0: a zone cannot be matched (write fe80::1)"),
    ],
)
def test_message(text: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        Prefix.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    ["", " ", "10", "10.0.0", "010.0.0.1", "1.2.3.4 ", "1.2.3.256", "\u0661.2.3.4", ":::", "/8"],
)
def test_no_address(text: str) -> None:
    with pytest.raises(RequestError):
        Prefix.parse(text)
