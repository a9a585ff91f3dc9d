"""Compare programs named on the command line: CPU ns a packet over veth, on one CPU.

python bench/compare.py --sources 100000 build/bare.bpf.o:bare_drop mine.bpf.o:program
"""

import argparse
from pathlib import Path

from wirepath.bench.path import compare, program
from wirepath.bench.wire import ADDRESS, MAC
from wirepath.lab.traffic import from_sources, random_sources, udp


def main() -> None:
    """Compare programs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("objects", nargs="+", help="OBJECT:PROGRAM; the first is the baseline")
    parser.add_argument("--sources", type=int, default=100_000, help="random, in turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a slice")
    parser.add_argument("--cpu", type=int)
    asked = parser.parse_args()
    subjects = [program(Path(path), name) for path, name in (o.split(":") for o in asked.objects)]
    traffic = from_sources(udp(ADDRESS, 9, mac=MAC), random_sources(asked.sources, seed=asked.seed))
    for cost in compare(
        subjects, traffic, repetitions=asked.repetitions, seconds=asked.seconds, cpu=asked.cpu
    ):
        print(cost)


if __name__ == "__main__":
    main()
