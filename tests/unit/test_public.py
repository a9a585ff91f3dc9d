"""The public names: what importing them costs, and that the page lists all."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from pkgutil import iter_modules

import pytest

import wirepath
from harness import page

ROOT = Path(__file__).parents[2]


def python(*argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")} | more
    return subprocess.run(
        [sys.executable, *argv], check=False, capture_output=True, text=True, env=environment
    )


def test_all_is_what_the_page_has() -> None:
    assert wirepath.__all__ == sorted(set(wirepath.__all__))
    assert sorted(page.names()) == wirepath.__all__


@pytest.mark.parametrize("name", wirepath.__all__)
def test_each_name(name: str) -> None:
    public = getattr(wirepath, name)
    assert public.__name__ == name
    assert public.__module__.startswith("wirepath.")
    assert public.__doc__
    assert not public.__doc__.startswith(f"{name}("), "a dataclass or a tuple without docstring"
    if not inspect.isclass(public):
        return
    for called, member in vars(public).items():
        if inspect.isfunction(member) and not called.startswith("_"):
            assert member.__doc__, f"{name}.{called}"


@pytest.mark.parametrize("name", ["Datapath", "Bans", "Sets"])
def test_the_page_has_every_method(name: str) -> None:
    words = set(re.findall(r"\w+", page.PAGE.read_text()))
    assert {called for called in vars(getattr(wirepath, name)) if called[0] != "_"} <= words


def test_no_name_is_a_module() -> None:
    """A module of the same name would replace a public name as soon as it is imported."""
    assert not {module.name for module in iter_modules(wirepath.__path__)} & set(wirepath.__all__)


def test_every_error_is_public() -> None:
    from wirepath import errors

    kinds = {k for k in vars(errors).values() if inspect.isclass(k) and issubclass(k, Exception)}
    assert {kind.__name__ for kind in kinds} <= set(wirepath.__all__)
    assert all(issubclass(kind, wirepath.WirepathError) for kind in kinds)
    (tree,) = (text for text in errors.__doc__.split("\n\n") if "├" in text)
    names = [line.split()[-1] if "─" not in line else line.partition("── ")[2].split()[0]
             for line in tree.splitlines()]  # fmt: skip
    on_page = page.PAGE.read_text()
    assert sorted(names) == sorted(kind.__name__ for kind in kinds)
    assert all(f"── {name} " in on_page or name == "WirepathError" for name in names)


def test_importing_it_loads_nothing() -> None:
    script = "import sys, wirepath; dir(wirepath); print(*sys.modules)"
    done = python("-c", script)
    assert not done.stderr
    assert [name for name in done.stdout.split() if name.startswith("wirepath.")] == []


def test_an_error_loads_no_more_than_errors() -> None:
    done = python("-c", "import sys; from wirepath import KernelError; print(*sys.modules)")
    loaded = [name for name in done.stdout.split() if name.startswith("wirepath.")]
    assert loaded == ["wirepath.errors"]


def test_what_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'wirepath' has no attribute 'Polisy'"):
        wirepath.Polisy  # type: ignore[attr-defined] # noqa: B018 - asking is the test
    assert dir(wirepath) == sorted([*wirepath.__all__, "__version__"])


def test_help_is_worth_reading() -> None:
    done = python("-c", "import wirepath; help(wirepath)", PAGER="cat", TERM="dumb")
    assert done.returncode == 0
    assert "Datapath.up(" in done.stdout
    for name in wirepath.__all__:
        assert name in done.stdout
    done = python("-c", "import wirepath; help(wirepath.Datapath)", PAGER="cat", TERM="dumb")
    methods = [n for n in vars(wirepath.Datapath) if not n.startswith("_")]
    assert {"up", "open", "apply", "temporarily"} <= set(methods)
    for name in methods:
        assert name in done.stdout


def test_types_of_the_page(tmp_path: Path) -> None:
    """The page, as a program, passes mypy, which knows the type of every expression."""
    program = tmp_path / "page.py"
    asked = "reveal_type(policy)\nreveal_type(found)\nreveal_type(result)\nreveal_type(banned)\n"
    program.write_text("\n".join(block.code for block in page.blocks()) + asked)
    cache = ROOT / "build" / "mypy-of-the-page"
    done = python(
        "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={cache}", str(program),
        MYPYPATH=str(ROOT / "src"),
    )  # fmt: skip
    told = [line for line in done.stdout.splitlines() if "note: Revealed type" not in line]
    assert told == ["Success: no issues found in 1 source file"], done.stdout + done.stderr
    for name in ("Policy", "Explanation", "Replay", "Banned"):
        assert f".{name}" in done.stdout
    assert "Any" not in done.stdout
