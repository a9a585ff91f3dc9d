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


def line_index(text: str) -> dict[Path, int]:
    """Map the path of every table, key and array element in *text* to its line, from 1.

    A table that is written in several places has the first line.
    """
    return _Walk(text).lines


class _Walk:
    """One pass over the tokens; ``self.word`` is the current one, ``""`` after the last."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self.line = 1
        self._tokens = self._read(text)
        self._lengths: dict[Path, int] = {}  # of arrays of tables, so far
        self.step()
        self._document()

    def _read(self, text: str) -> Iterator[str]:
        for match in _TOKEN.finditer(text):
            token = match.group()
            if match.lastgroup != "blank":
                yield token
            self.line += token.count("\n")  # only now: a token has the line where it begins

    def step(self) -> None:
        self.word = next(self._tokens, "")

    def _document(self) -> None:
        table: Path = ()
        while self.word:
            if self.word == "\n":
                self.step()
            elif self.word == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        # "[a.b]" or "[[a.b]]"; an array of tables on the way stands for its newest table.
        self.step()
        is_array = self.word == "["
        if is_array:
            self.step()
        here: Path = ()
        line = self.line
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
        while self.word == "]":
            self.step()
        return here

    def _newest(self, path: Path) -> Path:
        return (*path, self._lengths[path] - 1) if path in self._lengths else path

    def _key(self) -> list[str]:
        # "a", "a.b", 'a."b c"'; stops at the token after it.
        parts = []
        while True:
            parts.append(_unquoted(self.word))
            self.step()
            if self.word != ".":
                return parts
            self.step()

    def _pair(self, table: Path) -> None:
        line = self.line
        for part in self._key():
            table = (*table, part)
            self.lines.setdefault(table, line)
        self.step()  # "="
        self._value(table)

    def _value(self, path: Path) -> None:
        if self.word == "[":
            self.step()
            self._array(path)
        elif self.word == "{":
            self.step()
            while self.word != "}":
                if self.word in {",", "\n"}:
                    self.step()
                else:
                    self._pair(path)
            self.step()
        else:  # a string, or one or more bare tokens: 1.5, 2026-01-01 07:32:00.5
            while self.word not in {"", "\n", ",", "]", "}"}:
                self.step()

    def _array(self, path: Path) -> None:
        at = 0
        while self.word != "]":
            if self.word in {",", "\n"}:
                self.step()
                continue
            self.lines[(*path, at)] = self.line
            self._value((*path, at))
            at += 1
        self.step()


def _unquoted(token: str) -> str:
    if token[0] not in "\"'":
        return token
    return str(tomllib.loads(f"key = {token}")["key"])
