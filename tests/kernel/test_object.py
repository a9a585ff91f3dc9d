"""Loading objects: constants, sizes, maps of other objects, and messages of refusals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wirepath.errors import KernelError, LayoutError, VerifierError
from wirepath.kernel.maps import Map
from wirepath.kernel.object import Object
from wirepath.kernel.program import XdpAction

pytestmark = pytest.mark.kernel
Compile = Callable[[str], Path]
FRAME = bytes(60)


def test_constants_are_in_place_before_the_verifier_looks(compiled: Compile) -> None:
    path = compiled("sample")
    quiet = {"answer": 9, "loud": False}
    with (
        Object.load(path) as as_written,
        Object.load(
            path, constants={"sample_config": quiet | {"loud": True}, "step": 10}
        ) as changed,
    ):
        assert as_written.programs["sample"].test_run(FRAME).retval == XdpAction.PASS
        assert changed.programs["sample"].test_run(FRAME).retval == XdpAction.DROP
        assert changed.maps["bss"][0] == {"seen": 10}
        assert changed.maps["rodata"][0]["sample_config"] == {"answer": 9, "loud": True}
        assert as_written.maps["rodata"][0]["step"] == 3
        assert changed.maps["counters"].totals()[18] == 1
        # Code that a constant excludes is neither verified nor translated.
        small, large = changed.programs["sample"], as_written.programs["sample"]
        assert small.verified_instructions < large.verified_instructions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"constants": {"stride": 1}}, "load sample.bpf.o: has no constant stride .rebuild it.$"),
        ({"constants": {"step": 1 << 16}}, "set constant step: pack .*65536 does not fit 2 bytes"),
        (
            {"constants": {"sample_config": {"answr": 1, "loud": False}}},
            "set constant sample_config: pack struct sample_config: members differ: answer, answr",
        ),
        ({"sizes": {"nowhere": 1}}, "load sample.bpf.o: has no map nowhere"),
        ({"programs": {"nobody"}}, "load sample.bpf.o: has no program nobody"),
    ],
)
def test_names_and_values_that_do_not_fit(
    compiled: Compile, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(LayoutError, match=message):
        Object.load(compiled("sample"), **arguments)


def test_only_chosen_programs_are_loaded(compiled: Compile) -> None:
    with Object.load(compiled("sample"), programs=["other"]) as loaded:
        assert list(loaded.programs) == ["other"]
        assert loaded.programs["other"].name == "other"
        assert len(loaded.programs["other"].tag) == 16


def test_sizes_and_reuse(compiled: Compile) -> None:
    path = compiled("sample")
    with Object.load(path, sizes={"plain": 7}) as first:
        assert first.maps["plain"].max_entries == 7
        first.maps["plain"][2] = 1
        with Object.load(path, reuse={"plain": first.maps["plain"]}) as second:
            assert second.maps["plain"].id == first.maps["plain"].id
            assert second.programs["sample"].test_run(FRAME).retval == XdpAction.TX
        assert first.maps["plain"][2] == 1


def test_reuse_of_another_type_is_refused(compiled: Compile) -> None:
    with (
        Object.load(compiled("sample")) as first,
        pytest.raises(LayoutError, match=r"reuse map plain: its value differs from"),
    ):
        Object.load(compiled("sample"), reuse={"plain": first.maps["counters"]})


def test_rejection_tells_line_and_reason(compiled: Compile) -> None:
    with pytest.raises(VerifierError) as caught:
        Object.load(compiled("rejected"))
    text = str(caught.value)
    assert text.startswith("load rejected.bpf.o: ")
    assert "invalid access to packet, off=12 size=1" in text
    assert "Permission denied [EACCES] (" in text
    assert text.endswith(" log lines in .log)")
    assert "\n" not in text
    assert "r1 = *(u8 *)(r1 +12)" in caught.value.log


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(
        KernelError, match=r"No such file or directory \[ENOENT\] \(run `make bpf`\)"
    ):
        Object.load(tmp_path / "nope.bpf.o")
    text = tmp_path / "text.o"
    text.write_text("hello")
    with pytest.raises(KernelError, match=r"open .*/text.o: .*not a proper ELF object"):
        Object.load(text)


def test_map_that_the_kernel_refuses(compiled: Compile) -> None:
    with pytest.raises(KernelError, match=r"map 'counters': failed to create"):
        Object.load(compiled("sample"), sizes={"counters": 0xFFFFFFFF})


def test_types_of_the_file(compiled: Compile) -> None:
    with Object.load(compiled("sample"), programs=["other"]) as loaded:
        assert loaded.btf.enum("colour") == {"red": 0, "green": 1, "max": 2}
        mine, kernels = loaded.btf.ctype("struct entry"), loaded.maps["entries"].value
        assert mine == kernels
        with pytest.raises(LayoutError, match=r"find struct nothing: no such type"):
            loaded.btf.ctype("struct nothing")


def test_handles_say_when_they_are_closed(compiled: Compile) -> None:
    with Object.load(compiled("sample")) as loaded:
        table = loaded.maps["plain"]
    with pytest.raises(ValueError, match=r"map is closed"):
        table.freeze()
    assert isinstance(table, Map)
