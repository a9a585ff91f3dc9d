"""What the data plane may cost: ``budget.toml``, and the check that holds it to that.

    python bench/budget.py            fails where a figure has grown by more than a tenth
    python bench/budget.py --write    measures anew: `make budget`

Three figures.  How many instructions the verifier walks and how many bytes of machine code come out
is for the kernel to say, of each policy and hook, to root.  How much stack there has to be is read
off the compiled file, and holds for every policy (``stack.py``).

The kernel's figures change with the kernel, the machine and clang, by more than a tenth, and the
stack with clang.  So they are compared only on what they were measured on; anywhere else the check
says, loudly, that it did not compare them, and passes: a newer kernel is no fault of the source.
That the stack leaves room for what is to come is asked everywhere.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from mixtures import loaded, policies
from stack import STACK_MAX, Compiled
from wirepath.kernel.features import missing
from wirepath.kernel.object_file import object_file
from wirepath.net import HOOKS

TO_SPARE: Final = 128
"""Bytes of stack that no policy may need."""

_FILE: Final = Path(__file__).with_name("budget.toml")
_GROWTH: Final = 1.1
_MEANT: Final = "if that is meant: `make budget`, and commit bench/budget.toml"
_KERNEL: Final = ("instructions", "jited_bytes")  # of each policy and hook
_HEAD: Final = """\
# What the data plane may cost: bench/budget.py. `make budget` writes this file; `make check` fails
# where a figure has grown by more than a tenth.
"""

Figures = Mapping[str, int]
"""By a name that says of what: ``edge.ingress.jited_bytes``, ``stack.ingress``."""


def main() -> int:
    """Measure, and compare or write; returns 1 if something is over its budget."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write down what is measured")
    try:
        return _write() if parser.parse_args().write else _check()
    except subprocess.CalledProcessError as error:
        print(f"budget: {error}", file=sys.stderr)
        return 1


def _write() -> int:
    if reason := missing():
        print(f"budget: {reason}", file=sys.stderr)
        return 1
    before: Figures = _read(_FILE.read_text()) if _FILE.exists() else {}
    now = {**_stack(), **_of_kernel()}
    _FILE.write_text(_text(_surroundings(), now))
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            print(f"budget: {name}: {_shown(before.get(name))}, now {_shown(now.get(name))}")
    return 0


def _check() -> int:
    text = _FILE.read_text()
    budget, stack = _read(text), _stack()
    of_kernel = {name: figure for name, figure in budget.items() if name not in stack}
    problems = [*_too_deep(stack)]
    here, there = _surroundings(), tomllib.loads(text)["measured_on"]
    if here["clang"] == there["clang"]:
        problems += _over({name: budget[name] for name in budget.keys() & stack.keys()}, stack)
    reason = missing()
    if reason and "kernel" in os.environ.get("WIREPATH_REQUIRE", "").split(","):
        problems.append(f"WIREPATH_REQUIRE=kernel, but {reason}")
    elif not reason and here != there:
        reason = f"measured on {_words(there)}, and this is {_words(here)}"
    elif not reason:
        problems += _over(of_kernel, _of_kernel())
    for problem in problems:
        print(f"budget: {problem}", file=sys.stderr)
    if reason:
        print(f"budget: INSTRUCTIONS AND MACHINE CODE NOT COMPARED: {reason}", file=sys.stderr)
    return 1 if problems else 0


def _too_deep(stack: Figures) -> Iterator[str]:
    for name, needed in stack.items():
        if needed > STACK_MAX - TO_SPARE:
            spare = STACK_MAX - needed
            yield f"{name}: {needed} bytes, which leaves {spare} of {TO_SPARE} that are to be spare"


def _over(budget: Figures, now: Figures) -> Iterator[str]:
    for name in sorted(budget.keys() | now.keys()):
        was, is_now = budget.get(name), now.get(name)
        if was is None or is_now is None:
            yield f"{name}: {_shown(was)} in budget.toml, {_shown(is_now)} measured (`make budget`)"
        elif is_now > was * _GROWTH:
            yield f"{name}: {is_now:,}, more than a tenth over its {was:,} ({_MEANT})"


def _shown(figure: int | None) -> str:
    return "nothing" if figure is None else f"{figure:,}"


def _stack() -> Figures:
    compiled = Compiled.read(object_file())
    return {f"stack.{hook}": compiled.deepest(hook).bytes for hook in HOOKS}


def _of_kernel() -> Figures:
    figures = {}
    for name, policy in policies():
        with loaded(policy) as generation:
            for hook, of in generation.hooks.items():
                figures[f"{name}.{hook}.instructions"] = of.program.verified_instructions
                figures[f"{name}.{hook}.jited_bytes"] = of.program.jited_bytes
    return figures


def _surroundings() -> Mapping[str, str]:
    clang = os.environ.get("CLANG", "clang")
    said = subprocess.run([clang, "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "kernel": ".".join(platform.release().split(".")[:2]),
        "machine": platform.machine(),
        "clang": re.findall(r"version ([\d.]+)", said)[0],
    }


def _words(surroundings: Mapping[str, str]) -> str:
    return ", ".join(f"{what} {which}" for what, which in surroundings.items())


def _read(text: str) -> Figures:
    read = tomllib.loads(text)
    figures = {f"stack.{hook}": figure for hook, figure in read["stack"].items()}
    for name, hooks in read["policy"].items():
        for hook, of in hooks.items():
            figures |= {f"{name}.{hook}.{what}": figure for what, figure in of.items()}
    return figures


def _text(surroundings: Mapping[str, str], figures: Figures) -> str:
    measured_on = [f'{what} = "{which}"' for what, which in surroundings.items()]
    lines = [_HEAD, "[measured_on]", *measured_on, "", "[stack] # bytes, of any policy"]
    lines += [f"{hook} = {figures[f'stack.{hook}']}" for hook in HOOKS]
    for name, _ in policies():
        lines += ["", f"[policy.{name}]"]
        for hook in HOOKS:
            if f"{name}.{hook}.instructions" in figures:
                parts = (f"{w} = {figures[f'{name}.{hook}.{w}']}" for w in _KERNEL)
                lines.append(f"{hook} = {{ {', '.join(parts)} }}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
