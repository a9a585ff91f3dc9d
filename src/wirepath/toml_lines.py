"""The line of each key in a TOML text, which parsers of TOML do not give.

The text must have been accepted by a parser; this module reads only its structure (TOML 1.0.0).
Runs of plain lines, of which each is a whole statement, are stepped over as one match of an
expression, and read token by token only if a path in them is asked for.
"""

import re
from collections.abc import Iterator
from typing import Final

from wirepath import toml

Path = tuple[str | int, ...]
"""A place in a document: keys, and indexes in arrays: ``("rule", 3, "match", "dport")``."""

# One alternative for each kind of token; strings first, since they may contain all others.
_TOKEN: Final = re.compile(
    r"""
      (?P<string> \"{3} (?: [^\\] | \\. )*? \"{3,5} | '{3} .*? '{3,5}
                | \" (?: [^\"\\\n] | \\. )* \" | '[^'\n]*' )
    | (?P<blank>  [ \t\r]+ | \#[^\n]* )
    | (?P<mark>   [][{}=,.\n] )
    | (?P<bare>   [^][{}=,.\s\#"']+ )
    """,
    re.VERBOSE | re.DOTALL,
)

# No part can match the same text in two ways, so a line that is not plain is found out at once.
_BARE = r"""[^][{}=,.\s#"']+"""
_NEITHER = r"""[^][{}"'#\n]*"""  # string nor bracket
_STRING = r"""(?:"(?!"")[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"|'(?!'')[^'\n]*')"""
_FLAT = rf"{_NEITHER}(?:{_STRING}{_NEITHER})*"
_ARRAY = rf"\[{_FLAT}\]"
_TABLE = rf"\{{{_FLAT}(?:{_ARRAY}{_FLAT})*\}}"
_TABLES = rf"\[{_FLAT}(?:(?:{_ARRAY}|{_TABLE}){_FLAT})*\]"
_END = r"(?:#[^\n]*)?(?:\n|\Z)"
_HEADER = rf"[ \t]*(\[\[?)[ \t]*({_BARE}(?:\.{_BARE})*)[ \t]*\]\]?[ \t\r]*{_END}"
_PAIR = rf"{_BARE}[ \t]*=(?:{_FLAT}|[ \t]*(?:{_TABLE}|{_TABLES})[ \t\r]*)"
# A header, if any, and plain lines: pairs whose keys have one part, blank lines and comments.
_PLAIN: Final = re.compile(rf"(?:{_HEADER})?((?:[ \t]*(?:{_PAIR}|\r?){_END}){{0,1000}})")


class LineIndex:
    """The lines of a text, which is read only as far as it takes to answer.

    Attributes:
        lines: the path of every table, key and array element that was read so far, with its line,
            from 1. A table that is written in several places has the first line.
    """

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._plain: dict[Path, list[tuple[int, int, int]]] = {}  # by table: from, to, line
        self._lengths: dict[Path, int] = {}  # of arrays of tables, so far
        self._steps = self._document()

    def find(self, path: Path) -> int | None:
        """Return the line of *path*; None if the text has no such path."""
        while path not in self.lines:
            if not self._read_around(path) and next(self._steps, self) is self:
                break
        return self.lines.get(path)

    # Reads the plain lines of the innermost table around *path* that has any, unless there is none.
    def _read_around(self, path: Path) -> bool:
        for size in range(len(path) - 1, -1, -1):
            if blocks := self._plain.pop(path[:size], None):
                for start, end, line in blocks:
                    pairs = _Statements(self.lines, self._text, start, line)
                    while pairs.at < end:
                        pairs.begin()
                        pairs.pair(path[:size])
                return True
        return False

    def _document(self) -> Iterator[None]:
        table: Path = ()
        at, line = 0, 1
        while at < len(self._text):
            plain = _PLAIN.match(self._text, at)
            if plain and plain.end() > at:
                if plain[1]:
                    table = self._table(plain[2].split("."), line, in_array=plain[1] == "[[")
                start, end = plain.span(3)
                line += self._text.count("\n", at, start)
                self._plain.setdefault(table, []).append((start, end, line))
                line += self._text.count("\n", start, end)
                at = end
            else:
                statement = _Statements(self.lines, self._text, at, line)
                if statement.begin():
                    table = self._table(*statement.header(), in_array=statement.in_array)
                else:
                    statement.pair(table)
                at, line = statement.at, statement.line
            yield

    # Gives the table that a header of *line* opens: "[a.b]" or "[[a.b]]"; an array of tables on the
    # way stands for its newest table.
    def _table(self, parts: list[str], line: int, *, in_array: bool) -> Path:
        here: Path = ()
        for part in parts[:-1]:
            here = self._newest((*here, part))
            self.lines.setdefault(here, line)
        here = (*here, parts[-1])
        if in_array:
            self.lines.setdefault(here, line)
            self._lengths[here] = self._lengths.get(here, 0) + 1
        here = self._newest(here)
        self.lines.setdefault(here, line)
        return here

    def _newest(self, path: Path) -> Path:
        return (*path, self._lengths[path] - 1) if path in self._lengths else path


class _Statements:
    """Reads statements token by token: `begin` each, then read it as a header or as a pair.

    Args:
        lines: takes the line of each path.
        text: the whole text.
        at: where to begin.
        line: the line there.

    Attributes:
        at: the end of what was read; after a statement, that of its last line.
        line: the line there.
        in_array: whether the header that was read is one of an array of tables.
    """

    def __init__(self, lines: dict[Path, int], text: str, at: int, line: int) -> None:
        self.at = at
        self.line = line
        self.in_array = False
        self._lines = lines
        self._word = ""  # the current token; empty after the last
        self._here = line  # the line where it begins
        self._tokens = self._read(text)

    def _read(self, text: str) -> Iterator[str]:
        for match in _TOKEN.finditer(text, self.at):
            self._here = self.line
            self.at = match.end()
            token = match.group()
            self.line += token.count("\n")
            if match.lastgroup != "blank":
                yield token

    def _step(self) -> None:
        self._word = next(self._tokens, "")

    def begin(self) -> bool:
        """Go to the next statement; tell whether it is a header."""
        self._step()
        return self._word == "["

    def header(self) -> tuple[list[str], int]:
        """Read a header, and give its parts and its line."""
        line = self._here
        self._step()
        self.in_array = self._word == "["
        if self.in_array:
            self._step()
        parts = self._key()
        while self._word == "]":
            self._step()
        return parts, line

    def pair(self, table: Path) -> None:
        """Read a pair of *table*, or an empty line."""
        if self._word not in {"", "\n"}:
            self._pair(table)

    def _key(self) -> list[str]:
        # "a", "a.b", 'a."b c"'; stops at the token after it.
        parts = []
        while True:
            parts.append(_unquoted(self._word))
            self._step()
            if self._word != ".":
                return parts
            self._step()

    def _pair(self, table: Path) -> None:
        line = self._here
        for part in self._key():
            table = (*table, part)
            self._lines.setdefault(table, line)
        self._step()  # "="
        self._value(table)

    def _value(self, path: Path) -> None:
        if self._word == "[":
            self._step()
            self._array(path)
        elif self._word == "{":
            self._step()
            while self._word != "}":
                if self._word in {",", "\n"}:
                    self._step()
                else:
                    self._pair(path)
            self._step()
        else:  # a string, or one or more bare tokens: 1.5, 2026-01-01 07:32:00.5
            while self._word not in {"", "\n", ",", "]", "}"}:
                self._step()

    def _array(self, path: Path) -> None:
        at = 0
        while self._word != "]":
            if self._word in {",", "\n"}:
                self._step()
                continue
            self._lines[(*path, at)] = self._here
            self._value((*path, at))
            at += 1
        self._step()


def _unquoted(token: str) -> str:
    if token[0] not in "\"'":
        return token
    return str(toml.loads(f"key = {token}")["key"])
