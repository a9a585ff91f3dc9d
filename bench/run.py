"""Measure wirepath on this machine: ``python bench/run.py [CASE ...]``.

All subjects of a comparison run in turn in one process; figures are medians.  They are printed with
their goals and appended to ``bench/results/CASE.jsonl``, and the pictures of the cases are drawn.
Needs root and a machine without other load.
"""

import argparse
import importlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pictures import DRAWN
from results import Table, keep, provenance
from wirepath.bench.tools import Lacking

CASES: Final = (
    "blocklist", "prefixes", "rules", "bans", "limits", "caps", "wireguard", "synflood", "edge",
    "tc", "mirrors", "changes", "commands", "listings", "memory", "replay",
)  # fmt: skip
_REPETITIONS: Final = 15
_QUICK: Final = 5


def main() -> int:
    """Run the requested cases; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all if none"
    )
    parser.add_argument("--quick", action="store_true", help="a third of the repetitions")
    parser.add_argument("--no-record", action="store_true", help="keep no figures")
    asked = parser.parse_args()
    if unknown := set(asked.cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))} (there are {', '.join(CASES)})")
    print("\n".join(f"{name:8} {value}" for name, value in provenance().items()))
    missed = 0
    for case in asked.cases or CASES:
        for table in _measure(case, _QUICK if asked.quick else _REPETITIONS):
            print(f"\n{case}: {table}", flush=True)
            if not asked.no_record:
                keep(case, table)
            missed += sum(row.met is False for row in table.rows)
    if not asked.no_record:
        for picture in DRAWN:
            if picture.name in (asked.cases or CASES):
                print(picture.draw())
    print(f"\n{missed} goals missed" if missed else "\nall goals met")
    return 1 if missed else 0


def _measure(case: str, repetitions: int) -> Iterator[Table]:
    module = importlib.import_module(f"cases.{case}")
    with tempfile.TemporaryDirectory(prefix="wirepath-bench-") as directory:
        try:
            yield from module.measure(Path(directory), repetitions)
        except Lacking as error:
            print(f"\n{case}: the rest is left out: {error}")
        except FileNotFoundError as error:
            if "/" in str(error.filename):  # no command, so a file of the case itself
                raise
            print(f"\n{case}: the rest is left out: {error.filename}: not installed")


if __name__ == "__main__":
    sys.exit(main())
