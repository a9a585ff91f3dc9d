"""`make pictures` draws a running ``wirepath top``, on the server of a lab under attack."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel

DRAWING = Path(__file__).parents[2] / "docs" / "pictures" / "top.py"
LAB = "wp-edge"  # the lab of the picture


def test_screen_of_top(tmp_path: Path) -> None:
    picture = tmp_path / "top.svg"
    done = subprocess.run(
        [sys.executable, DRAWING, "--screens", "2", picture],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    shown = picture.read_text()
    for words in ("known-bad", "limit_exceeded", "203.0.113.66", "2001:db8:bad::/64"):
        assert words in shown
    assert not [*Path("/run/netns").glob(f"{LAB}*")]
    assert not [path for path in Path("/sys/fs/bpf").glob("wirepath:*/*") if LAB in path.name]
