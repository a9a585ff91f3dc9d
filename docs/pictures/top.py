"""Draw ``docs/pictures/top.svg``: ``wirepath top`` on a server of the lab that is under attack.

The command runs as an operator would run it, on a terminal of 80 by 24; its last screen is the
picture.  Addresses come from the documentation ranges, and all names are the lab's.
"""

import argparse
import io
import math
import os
import pty
import re
import select
import sys
import tempfile
import termios
from collections.abc import Callable
from contextlib import ExitStack, chdir
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from wirepath.errors import KernelError, WirepathError
from wirepath.lab.demo import Wirepath
from wirepath.lab.flood import Flood
from wirepath.lab.network import Host, Lab
from wirepath.lab.traffic import (
    Template,
    Traffic,
    addresses,
    of_frames,
    random_sources,
    syn,
    udp,
    written_out,
)
from wirepath.lab.web import WebClient, WebServer

PICTURE: Final = Path(__file__).with_suffix(".svg")
_LINES: Final = 24
_COLUMNS: Final = 80
_LEAVES: Final = b"\x1b[?1049l"  # after the last screen
_HOME: Final = b"\x1b[H"  # where each screen begins
_CONTROL: Final = re.compile(r"\x1b\[[?0-9;]*[A-Za-ln-z]")  # all sequences but colours, `m`

_GAP: Final = re.compile(r"^ +| {2,}")  # between columns

_POLICY: Final = """\
[datapath]
default = "drop"

[set.known-bad]
files = ["known-bad.txt"]

[[rule]]
name = "known-bad"
match = { src = "@known-bad" }
action = "drop"

[[rule]]
name = "syn-flood"
match = { proto = "tcp", tcp_flags = "syn" }
limit = { rate = "100/s", per = "src", ban = "5min" }

[[rule]]
name = "dns-queries"
match = { proto = "udp", dport = 53 }
limit = { rate = "2k/s", per = "src", exact = true }

[[rule]]
name = "services"
match = { proto = ["tcp", "udp"], dport = [53, 80, 443] }
action = "pass"
"""
_LISTED: Final = 50_000  # of the block list, one packet each
_IPV4: Final = 4
_OTHERS: Final = 30_000
# Packets of one source in a round of the flood.
_SYN_FLOODERS: Final = {
    "203.0.113.66": 7_000,
    "203.0.113.9": 4_000,
    "2001:db8:bad::17": 3_000,
}
_DNS_CLIENTS: Final = {"198.51.100.53": 2_000, "198.51.100.7": 20}

# A dark window with a light edge stands out on light and on dark pages.
_THEME: Final = TerminalTheme((22, 27, 34), (230, 237, 243), [(230, 237, 243)] * 8)
_FORMAT: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{
  font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas, monospace;
}}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> int:
    """Draw it; returns what the process should exit with."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--screens", type=int, default=6, help="draw this one, a second each")
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE, help="where to draw it")
    options = parser.parse_args()
    try:
        options.picture.write_text(picture(last_screen(options.screens)))
    except WirepathError as error:
        print(f"pictures: {error}", file=sys.stderr)
        return error.exit_code
    print(f"drew {options.picture.name}")
    return 0


def last_screen(count: int) -> str:
    """Attack a server of the lab and give the screen number *count* of ``wirepath top``.

    Raises:
        KernelError: not root, or something here is missing.
    """
    listed = random_sources(_LISTED)
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="wirepath-top-"))
        stack.enter_context(chdir(directory))  # so that the screen names no path
        Path("known-bad.txt").write_text("\n".join(addresses(listed)) + "\n")
        policy = Path("edge.toml")
        policy.write_text(_POLICY)
        lab = stack.enter_context(Lab("wp-edge"))
        server, client = lab.server, lab.client
        stack.enter_context(Wirepath(server).up(policy))
        *rest, attacking = sorted(os.sched_getaffinity(0))
        traffic = _attack(server, listed)
        flood = stack.enter_context(Flood(lab.net, server.port, traffic, cpu=attacking))
        os.sched_setaffinity(0, rest or [attacking])
        stack.enter_context(WebServer(server.namespace))
        stack.enter_context(WebClient(client.namespace, [server.ipv4]))
        flood.start(seconds=math.inf)
        return _watch(server, count)


def _attack(server: Host, listed: NDArray[np.uint8]) -> Traffic:
    others = random_sources(_OTHERS, seed=2)
    parts = [
        written_out(syn(server.ipv4, 80), listed),
        written_out(udp(server.ipv4, 1900), others),
        *(_from_one(source, count, syn, 80, server) for source, count in _SYN_FLOODERS.items()),
        *(_from_one(source, count, udp, 53, server) for source, count in _DNS_CLIENTS.items()),
    ]
    frames = [row.tobytes()[: len(part.frame)] for part in parts for row in part.tables["frames"]]
    order = np.random.default_rng(1).permutation(len(frames))
    return of_frames([frames[at] for at in order])


def _from_one(
    source: str, count: int, make: Callable[[str, int], Template], dport: int, server: Host
) -> Traffic:
    address = ip_address(source)
    row = np.frombuffer(address.packed, dtype=np.uint8)
    to = server.ipv4 if address.version == _IPV4 else server.ipv6
    return written_out(make(to, dport), np.tile(row, (count, 1)))


def _watch(host: Host, count: int) -> str:
    keyboard, inside = pty.openpty()
    termios.tcsetwinsize(inside, (_LINES, _COLUMNS))
    environment = {"TERM": "xterm", "COLUMNS": str(_COLUMNS), "LINES": str(_LINES)}
    shown = b""
    try:
        with host.namespace.spawn(
            [sys.executable, "-m", "wirepath", "top"],
            stdin=inside, stdout=inside, stderr=inside, env=os.environ | environment,
        ) as top:  # fmt: skip
            while top.poll() is None:
                if select.select([keyboard], [], [], 0.1)[0]:
                    shown += os.read(keyboard, 1 << 16)
                if shown.count(_HOME) > count:  # the first is still empty
                    os.write(keyboard, b"q")
    finally:
        os.close(keyboard)
        os.close(inside)
    if top.returncode != 0:
        raise KernelError("wirepath top", what=shown.decode().strip())
    *_, last = shown.partition(_LEAVES)[0].split(_HOME)
    return last.decode()


def picture(shown: str) -> str:
    """Draw a screen as a terminal would show it."""
    console = Console(
        record=True, file=io.StringIO(), width=_COLUMNS, force_terminal=True, highlight=False
    )
    for line in _CONTROL.sub("", shown).splitlines():
        text = Text.from_ansi(line.rstrip())
        gaps = {at for gap in _GAP.finditer(text.plain) for at in gap.span()}
        # Each column is placed by itself, so that it stands straight in whatever font there is.
        for column in text.divide(sorted(gaps)):
            console.print(column, end="", no_wrap=True)
        console.print()
    return console.export_svg(
        title="wirepath top", theme=_THEME, code_format=_FORMAT, unique_id="top"
    )


if __name__ == "__main__":
    sys.exit(main())
