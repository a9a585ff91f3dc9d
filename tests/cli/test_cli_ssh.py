"""A policy that would cut the operator's SSH session is told, whatever else it does."""

import shlex
import subprocess
from pathlib import Path

import pytest

from harness.processes import ENVIRONMENT, Host, Wirepath, command

_POLICY = """
[datapath]
default = "drop"
never_block = ["192.0.2.1"]
[[rule]]
name = "ssh"
match = {{ src = ["198.51.100.0/24", "2001:db8::/32"], proto = "tcp", dport = {port} }}
{action}
"""
_ALLOWED = 'action = "pass"'


def _policy(tmp_path: Path, *, port: int = 22, action: str = _ALLOWED) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(_POLICY.format(port=port, action=action))
    return file


def _session(client: str) -> dict[str, str]:
    return {**ENVIRONMENT, "SSH_CONNECTION": f"{client} 50312 192.0.2.9 22"}


@pytest.mark.parametrize("client", ["203.0.113.5", "2001:db9::1", "fe80::1%eth0"])
def test_a_session_that_gets_dropped(wirepath_: Wirepath, tmp_path: Path, client: str) -> None:
    file = _policy(tmp_path)
    address = client.partition("%")[0]
    note = (
        f"note: {file}: your SSH session, from {address} to port 22, gets dropped:"
        f' no rule passes it (never_block = ["{address}"] does)\n'
    )
    assert wirepath_("check", file, env=_session(client)).out.endswith(f"\n\n{note}")


@pytest.mark.parametrize("client", ["198.51.100.7", "2001:db8::7", "192.0.2.1"])
def test_a_session_that_passes(wirepath_: Wirepath, tmp_path: Path, client: str) -> None:
    told = wirepath_("check", _policy(tmp_path), env=_session(client)).out
    assert "note:" not in told


def test_a_session_at_another_port(wirepath_: Wirepath, tmp_path: Path) -> None:
    file = _policy(tmp_path, port=2222)
    assert "to port 22, gets" in wirepath_("check", file, env=_session("198.51.100.7")).out


def test_without_a_session(wirepath_: Wirepath, tmp_path: Path) -> None:
    assert "note:" not in wirepath_("check", _policy(tmp_path)).out


@pytest.mark.parametrize("words", ["UNKNOWN 65535 UNKNOWN 65535", "203.0.113.5 1 192.0.2.9 x", "-"])
def test_a_session_without_addresses(wirepath_: Wirepath, tmp_path: Path, words: str) -> None:
    told = wirepath_("check", _policy(tmp_path), env={**ENVIRONMENT, "SSH_CONNECTION": words})
    assert (told.code, told.err) == (0, "")
    assert "note:" not in told.out


def test_sudo_does_not_hide_it(tmp_path: Path) -> None:
    """sudo starts its command without the variable; the shell above it still has it."""
    file = _policy(tmp_path)
    check = shlex.join(["env", "-u", "SSH_CONNECTION", *command("check", file)])
    done = subprocess.run(
        ["sh", "-c", f"{check}; true"],
        env=_session("203.0.113.5"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "your SSH session, from 203.0.113.5" in done.stdout


@pytest.mark.kernel
def test_up_and_apply_tell(host: Host, tmp_path: Path) -> None:
    session = _session("203.0.113.5") | {"WIREPATH_BPFFS": str(host.bpffs)}
    file = _policy(tmp_path)
    for words in (("up", "wp0", file), ("apply", file)):
        done = host(*words, env=session)
        assert done.code == 0
        assert done.err.startswith(f"note: {file}: your SSH session, from 203.0.113.5")
    assert host("down").code == 0
