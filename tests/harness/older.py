"""Pins as wirepath 0.1 made them, built from current pins: the same maps and links, moved."""

from pathlib import Path

from wirepath.datapath.generation.pinned import HOST, read_host
from wirepath.datapath.generation.record import pin_record, read_record
from wirepath.kernel.bpffs import Pins
from wirepath.kernel.maps import Map


def age(name: str) -> None:
    """Pin the serving generation of *name* as schema 1 did: flat, with the host in the manifest."""
    pins = Pins.find()
    number = pins.serving(name)
    assert number
    aside = pins.older_staging / pins.directory(name).name
    pins.older_staging.mkdir(exist_ok=True)
    pins.generation(name, number).rename(aside)
    pins.remove(name)
    aside.rename(pins.directory(name))
    pins.older_staging.rmdir()
    _age_contents(pins.directory(name))


def _age_contents(place: Path) -> None:
    (place / "prefix_counters").rename(place / "set_entries")
    if (place / "truncate").exists():
        (place / "truncate").rename(place / "snaps")
    host = read_host(place)
    (place / HOST).unlink(missing_ok=True)
    if "fq" in host:
        host["pacing"] = host.pop("fq")
    if "mirrors" in host:
        del host["mirrors"]["truncated"]
    with Map.open(place / "manifest") as pages:
        manifest = read_record(pages)
    for key in ("schema", "counters_schema", "ban_scopes", "copies", "received", "judged"):
        del manifest[key]
    manifest["rooms"] = manifest.pop("ranges")
    (place / "manifest").unlink()
    pin_record(manifest | {"version": "0.1.0", "surroundings": host}, place / "manifest")
