import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wirepath.toml_lines import LineIndex, Path

DOCUMENT = '''\
top = 1  # comment with [brackets] = "and quotes
"quoted key".sub = """text
[[rule]]
""""
[set.known-bad]
files = [
  "a",  # ]
  'b\\',
]
[[rule]]
name = "x"
match = { src = ["@a", # hello
   "b\\""], dport = 5 }
[rule.sub]
when = 2026-01-01 07:32:00.5
[[rule]]
match.src = 'x"y'
[rule."match".deep]
nested = [[1, 2], [{ a = 1.5 }]]
[[rule.list]]
n = +1_0
[[rule.list]]
n = 2
'''

LINES: dict[Path, int] = {
    ("top",): 1,
    ("quoted key",): 2,
    ("quoted key", "sub"): 2,
    ("set",): 5,
    ("set", "known-bad"): 5,
    ("set", "known-bad", "files"): 6,
    ("set", "known-bad", "files", 0): 7,
    ("set", "known-bad", "files", 1): 8,
    ("rule",): 10,
    ("rule", 0): 10,
    ("rule", 0, "name"): 11,
    ("rule", 0, "match"): 12,
    ("rule", 0, "match", "src"): 12,
    ("rule", 0, "match", "src", 0): 12,
    ("rule", 0, "match", "src", 1): 13,
    ("rule", 0, "match", "dport"): 13,
    ("rule", 0, "sub"): 14,
    ("rule", 0, "sub", "when"): 15,
    ("rule", 1): 16,
    ("rule", 1, "match"): 17,
    ("rule", 1, "match", "src"): 17,
    ("rule", 1, "match", "deep"): 18,
    ("rule", 1, "match", "deep", "nested"): 19,
    ("rule", 1, "match", "deep", "nested", 0): 19,
    ("rule", 1, "match", "deep", "nested", 0, 0): 19,
    ("rule", 1, "match", "deep", "nested", 0, 1): 19,
    ("rule", 1, "match", "deep", "nested", 1): 19,
    ("rule", 1, "match", "deep", "nested", 1, 0): 19,
    ("rule", 1, "match", "deep", "nested", 1, 0, "a"): 19,
    ("rule", 1, "list"): 20,
    ("rule", 1, "list", 0): 20,
    ("rule", 1, "list", 0, "n"): 21,
    ("rule", 1, "list", 1): 22,
    ("rule", 1, "list", 1, "n"): 23,
}


def line_index(text: str) -> dict[Path, int]:
    index = LineIndex(text)
    assert index.find(("no such key", 7)) is None
    for path in paths(tomllib.loads(text)):
        assert index.find(path)
    return index.lines


def test_every_shape() -> None:
    assert set(paths(tomllib.loads(DOCUMENT))) == set(LINES)
    assert line_index(DOCUMENT) == LINES


def test_no_further_than_asked() -> None:
    index = LineIndex(DOCUMENT)
    assert index.find(("rule", 0, "match")) == 12
    assert ("rule", 1) not in index.lines
    assert index.find(("rule", 1)) == 16
    assert index.find(("top",)) == 1


def test_windows_line_ends() -> None:
    assert line_index(DOCUMENT.replace("\n", "\r\n")) == LINES


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    """List every path in a document read by tomllib."""
    steps: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        steps = iter(value.items())
    elif isinstance(value, list):
        steps = enumerate(value)
    for step, inner in steps:
        yield (*here, step)
        yield from paths(inner, (*here, step))


strings = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=8)


def basic(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def written(draw: st.DrawFn, depth: int = 2) -> str:
    """Draw a TOML value in any style, with line breaks where TOML allows them."""
    kind = draw(st.sampled_from(["scalar", "list", "table"] if depth else ["scalar"]))
    if kind == "list":
        items = draw(st.lists(written(depth - 1), max_size=3))
        gap = draw(st.sampled_from(["", "\n", " # no ] here\n", " \n\n  "]))
        return "[" + "".join(f"{gap}{item}{gap}," for item in items) + gap + "]"
    if kind == "table":
        pairs = draw(st.dictionaries(strings, written(depth - 1), max_size=3))
        return "{" + ", ".join(f"{basic(key)} = {item}" for key, item in pairs.items()) + "}"
    return draw(
        st.one_of(
            strings.map(basic),
            strings.map(lambda text: "'''\n" + text.replace("'", "") + "'''"),
            strings.map(lambda text: '"""' + text.replace("\\", "").replace('"', "") + '\n"x""""'),
            st.sampled_from(
                ["true", "1.5e-7", "inf", "0x1F", "1979-05-27 07:32:00.9Z", "07:32:00"]
            ),
            st.integers(-99, 99).map(str),
        )
    )


keys = st.one_of(strings.map(basic), st.sampled_from(["a", "b-1", "'x'", "2"]))
ends = st.sampled_from(["\n", "\r\n", '  # [rule] = "\n', "\n\n", "\n# a comment\n \t\n"])


@given(st.dictionaries(keys, st.tuples(written(), ends), max_size=8), st.booleans())
def test_same_paths_as_tomllib(pairs: dict[str, tuple[str, str]], backwards: bool) -> None:  # noqa: FBT001
    text = "".join(f"{key} = {value}{end}" for key, (value, end) in pairs.items())
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # 'x' and "x" are one key
        return
    index = line_index(text)
    assert set(index) == set(paths(document))
    lines = text.split("\n")
    for written_key, key in zip(pairs, document, strict=True):
        assert lines[index[key,] - 1].startswith(f"{written_key} = ")
    asked = list(index)
    other = LineIndex(text)
    for path in reversed(asked) if backwards else asked:
        assert other.find(path) == index[path]
