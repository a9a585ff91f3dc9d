"""Lists of addresses: the cost by their number, next to nftables and ipset."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from cases.blocklist import listing, mixed
from results import Table, costs
from wirepath.bench import peers, subject
from wirepath.bench.path import BARE, Subject, compare, program
from wirepath.bench.wire import ADDRESS, MAC
from wirepath.lab.traffic import addresses, from_sources, random_sources, udp

COUNTS: Final = (1, 1_000, 100_000, 1_000_000)
_SOURCES: Final = 100_000


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure lists of hosts, and wirepath's with prefixes; every packet is listed and dropped."""
    template = udp(ADDRESS, 9, mac=MAC)
    for count in COUNTS:
        rows = random_sources(count)
        hosts = addresses(rows)
        prefixes, inside = mixed(count)
        prefixes = prefixes[:count]  # those of IPv4
        subjects = [
            program(BARE, "bare_drop"),
            Subject(
                f"wirepath, {_words(count, 'host')}",
                partial(subject.attach, listing(directory, f"hosts-{count}", hosts)),
            ),
            Subject(
                f"wirepath, {_words(count, 'prefix')}",
                partial(subject.attach, listing(directory, f"prefixes-{count}", prefixes)),
                from_sources(template, inside[:_SOURCES]),
            ),
            Subject(f"nft set, {_words(count, 'host')}", partial(peers.nft_set, hosts)),
            Subject(f"ipset, {_words(count, 'host')}", partial(peers.ipset, hosts)),
        ]
        traffic = from_sources(template, rows[:_SOURCES])
        measured = compare(subjects, traffic, repetitions=repetitions)
        yield costs(f"{_words(count, 'address')}, every packet listed", measured)


def _words(count: int, thing: str) -> str:
    plural = {"prefix": "prefixes", "host": "hosts", "address": "addresses"}
    return f"{count:,} {thing if count == 1 else plural[thing]}"
