"""Adoption of pins that an older wirepath made: moved and converted to the current schema.

Schema 1 (wirepath 0.1) pinned one generation per interface, flat in the directory of that
interface, built the next one in a separate directory, and recorded changes of the host in the
manifest. The programs keep running during adoption; the next `apply` replaces them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from wirepath.datapath.attach import let_go
from wirepath.datapath.generation.manifest import SCHEMA
from wirepath.datapath.generation.pinned import HOST, LINK, Pinned
from wirepath.datapath.generation.record import pin_record, read_record
from wirepath.datapath.host import arrange
from wirepath.datapath.host.mirrors import tunnel_name
from wirepath.datapath.host.place import Place
from wirepath.errors import PinError, WirepathError
from wirepath.kernel.bpffs import remove_tree
from wirepath.kernel.handle import telling
from wirepath.kernel.interface import received
from wirepath.kernel.maps import Map

if TYPE_CHECKING:
    from pathlib import Path

    from wirepath.kernel.bpffs import Pins

log = logging.getLogger(__name__)

_RENAMED: Final = {"set_entries": "prefix_counters", "snaps": "truncate"}
"""Pins that were renamed since: {old name: new name}."""


def adopt(pins: Pins, name: str) -> None:
    """Adopt the pins that an older wirepath made for interface *name*; the caller holds the lock.

    Pins that cannot be read stay where they are, and a warning is logged.
    """
    flat, staged = pins.directory(name), pins.older_staging / pins.directory(name).name
    if not _is_flat(flat) and not staged.exists():
        return
    try:
        if _is_flat(flat):
            _settle(name, flat, staged)
            _convert(name, flat)
            pins.older_staging.mkdir(mode=0o700, exist_ok=True)
            with telling(f"adopt {name}"):
                flat.rename(staged)
        _move(pins, name, staged)
    except WirepathError as error:
        log.warning("%s", error)


def _is_flat(directory: Path) -> bool:
    return (directory / LINK).exists()


# If there are two generations, a change was cut short: removes the one that does not serve.
def _settle(name: str, flat: Path, staged: Path) -> None:
    if not staged.exists():
        return
    gone, stays = (flat, staged) if Pinned(name, 0, staged).serves else (staged, flat)
    let_go(gone, kept=stays)
    remove_tree(gone)
    if gone == flat:
        with telling(f"adopt {name}"):
            staged.rename(flat)


# Moves a generation to its numbered directory. If it does not serve, an up or a down was cut
# short: then it is removed.
def _move(pins: Pins, name: str, staged: Path) -> None:
    pinned = Pinned(name, 0, staged)
    if not pinned.serves:
        let_go(staged)
        arrange.restore(Place(iface=name, device=name), pinned.host, {})
        remove_tree(staged)
        return
    _convert(name, staged)
    number = _manifest(name, staged)["generation"]
    with telling(f"adopt {name}"):
        pins.directory(name).mkdir(mode=0o700, exist_ok=True)
        staged.rename(pins.generation(name, number))
    pins.publish(name, number)
    log.info("adopted generation %d of %s from an older version", number, name)


# May be repeated: after a crash any of these conversions may have been made already.
def _convert(name: str, directory: Path) -> None:
    with telling(f"adopt {name}"):
        for old, new in _RENAMED.items():
            if (directory / old).exists():
                (directory / old).rename(directory / new)
    manifest = _manifest(name, directory)
    if manifest.get("schema") == SCHEMA:
        return
    host = manifest.pop("surroundings")
    manifest["ranges"] = manifest.pop("rooms")
    manifest |= {"received": received(name), "judged": 0}
    rules = manifest["policy"]["rule"]
    manifest["ban_scopes"] = [
        rule["name"] for rule in rules if rule.get("limit", {}).get("ban_scope") == "rule"
    ]
    manifest["copies"] = {rule["name"]: rule["mirror"]["to"] for rule in rules if "mirror" in rule}
    if "pacing" in host:
        host["fq"] = host.pop("pacing")
    if "mirrors" in host:
        host["mirrors"]["truncated"] = _truncated(name, manifest["policy"])
    if not (directory / HOST).exists():
        pin_record(host, directory / HOST)
    fresh = directory / "manifest:new"
    with telling(f"adopt {name}"):
        fresh.unlink(missing_ok=True)
    pin_record(manifest | {"schema": SCHEMA, "counters_schema": 1}, fresh)
    with telling(f"adopt {name}"):
        fresh.rename(directory / "manifest")


def _manifest(name: str, directory: Path) -> dict[str, Any]:
    with Map.open(directory / "manifest") as pages:
        try:
            return dict(read_record(pages))
        except ValueError as error:
            raise PinError(f"adopt {name}", what="its manifest is damaged") from error


def _truncated(name: str, policy: dict[str, Any]) -> list[str]:
    mirrors = [rule["mirror"] for rule in policy["rule"] if "mirror" in rule]
    cut = [mirror["to"] for mirror in mirrors if mirror.get("snap")]
    return [tunnel_name(name, to) if ":" in to else to for to in dict.fromkeys(cut)]
