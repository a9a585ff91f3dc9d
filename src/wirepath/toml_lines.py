"""The line of each key in a TOML text, which ``tomllib`` does not give.

The text must have been accepted by ``tomllib``; this module reads only its structure (TOML 1.0.0).
"""

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str | int, ...]
"""A place in a document: keys, and indexes in arrays: ``("rule", 3, "match", "dport")``."""

# One alternative for each kind of token; strings first, since they may contain all others.
_TOKEN = re.compile(
    r"""
      (?P<string> \"{3} (?: [^\\] | \\. )*? \"{3,5} | '{3} .*? '{3,5}
                | \" (?: [^\"\\\n] | \\. )* \" | '[^'\n]*' )
    | (?P<blank>  [ \t\r]+ | \#[^\n]* )
    | (?P<mark>   [][{}=,.\n] )
    | (?P<bare>   [^][{}=,.\s\#"']+ )
    """,
    re.VERBOSE | re.DOTALL,
)


class LineIndex:
    """The lines of a text, which is read only as far as it takes to answer.

    Attributes:
        lines: the path of every table, key and array element that was read so far, with its line,
            from 1. A table that is written in several places has the first line.
    """

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._line = 1
        self._word = ""  # the current token; empty after the last
        self._tokens = self._read(text)
        self._lengths: dict[Path, int] = {}  # of arrays of tables, so far
        self._step()
        self._steps = self._document()

    def find(self, path: Path) -> int | None:
        """Return the line of *path*; None if the text has no such path."""
        while path not in self.lines and next(self._steps, self) is not self:
            pass
        return self.lines.get(path)

    def _read(self, text: str) -> Iterator[str]:
        for match in _TOKEN.finditer(text):
            token = match.group()
            if match.lastgroup != "blank":
                yield token
            self._line += token.count("\n")  # only now: a token has the line where it begins

    def _step(self) -> None:
        self._word = next(self._tokens, "")

    def _document(self) -> Iterator[None]:
        table: Path = ()
        while self._word:
            yield
            if self._word == "\n":
                self._step()
            elif self._word == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        # "[a.b]" or "[[a.b]]"; an array of tables on the way stands for its newest table.
        self._step()
        is_array = self._word == "["
        if is_array:
            self._step()
        here: Path = ()
        line = self._line
        *parents, last = self._key()
        for part in parents:
            here = self._newest((*here, part))
            self.lines.setdefault(here, line)
        here = (*here, last)
        if is_array:
            self.lines.setdefault(here, line)
            self._lengths[here] = self._lengths.get(here, 0) + 1
        here = self._newest(here)
        self.lines.setdefault(here, line)
        while self._word == "]":
            self._step()
        return here

    def _newest(self, path: Path) -> Path:
        return (*path, self._lengths[path] - 1) if path in self._lengths else path

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
        line = self._line
        for part in self._key():
            table = (*table, part)
            self.lines.setdefault(table, line)
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
            self.lines[(*path, at)] = self._line
            self._value((*path, at))
            at += 1
        self._step()


def _unquoted(token: str) -> str:
    if token[0] not in "\"'":
        return token
    return str(tomllib.loads(f"key = {token}")["key"])
