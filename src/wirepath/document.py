"""Reading a TOML document so that all problems in it are found, each with its line.

A caller reads the keys of a :class:`Table` one by one; the table records what is wrong with them,
and nothing raises before the whole document is read.  This module knows TOML, but no policy.
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final, TypeVar

from wirepath import toml
from wirepath.errors import PolicyError, Problem, RequestError, shown
from wirepath.toml_lines import LineIndex, Path

T = TypeVar("T")
D = TypeVar("D")
S = TypeVar("S", bound=str)

_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)

_DEPTH_MAX: Final = 32

PROBLEMS_MAX: Final = 1_000
"""A document with more problems is hardly a policy; it is not read to its end."""

# A key of so many parts that reading it would take the parser, which copies it at each part, too
# long.
_PARTS_MAX: Final = 64
_LONG_KEY = re.compile(
    r"""(?<![\w"'.-]) (?: (?: [\w-]+ | "[^"\n]*" | '[^'\n]*' ) [ \t]* \. [ \t]* ){64}""",
    re.VERBOSE,
)

# Cures for syntax errors, by words in the message of the parser.
_SYNTAX_CURES = {
    "overwrite a value": "this key stands twice: take one out",
    "twice": "this table stands twice: join the two, or use [[...]] for a list of tables",
    "invalid value": 'strings need quotes, "..."; lists end with ]; true and false are lower case',
    "illegal character": "close the quotes on the same line",
    "expected '='": "write key = value; names with other signs than a-z 0-9 _ - need quotes",
    "unclosed array": "close the list with ]",
    "after a statement": "one key = value a line; strings need quotes",
}


class Document:
    """A text that an operator wrote, with the problems found in it so far.

    Attributes:
        file: as the operator named it.
        problems: in no particular order; at most PROBLEMS_MAX.
        more: how many there are besides.
    """

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.more = 0
        self._text = text

    def parse(self) -> "Table":
        """Give the whole document as one table.

        Raises:
            PolicyError: the text is not TOML.
        """
        if any(line.count(".") >= _PARTS_MAX for line in self._text.split("\n")) and (
            deep := _LONG_KEY.search(self._text)
        ):
            raise PolicyError([self._too_deep(self._text.count("\n", 0, deep.start()) + 1)])
        try:
            values = toml.loads(self._text)
        except RecursionError:
            raise PolicyError([self._too_deep()]) from None
        except ValueError as error:  # absurd numbers raise it too
            raise PolicyError([self._syntax(str(error))]) from None
        if _is_deep(values):
            raise PolicyError([self._too_deep()])
        return Table(self, values)

    def line(self, path: Path) -> int:
        """Return the line of *path*, or of the innermost table around it; 0 if there is none."""
        while path:
            if line := self._lines.find(path):
                return line
            path = path[:-1]
        return 0

    def note(self, path: Path, label: str, message: str) -> None:
        """Record a problem at *path*, which *label* is for people.

        Raises:
            PolicyError: it is one too many, so reading ends here.
        """
        if len(self.problems) == PROBLEMS_MAX:
            self.more += 1
            raise self._error(ended=True)
        self.problems.append(Problem(self.file, self.line(path), label, message))

    def check(self) -> None:
        """Raise PolicyError if any problem was found.

        Raises:
            PolicyError: has the problems, in file order.
        """
        if self.problems:
            raise self._error(ended=False)

    def _error(self, *, ended: bool) -> PolicyError:
        in_order = sorted(self.problems, key=lambda problem: problem.line)
        return PolicyError(in_order, more=self.more, ended=ended)

    @cached_property
    def _lines(self) -> LineIndex:
        return LineIndex(self._text)

    def _too_deep(self, line: int = 0) -> Problem:
        what = f"tables and lists are nested too deep (at most {_DEPTH_MAX}; a policy has 5)"
        return Problem(self.file, line, "", what)

    def _syntax(self, message: str) -> Problem:
        what, line, column = message, 0, ""
        if place := _PLACE.fullmatch(message):
            what = place[1]
            line = int(place[2] or self._text.count("\n") + 1)
            column = f" at column {place[3]}" if place[3] else " at the end of the file"
        what = what[:1].lower() + what[1:]
        cure = next((c for clue, c in _SYNTAX_CURES.items() if clue in what), "see https://toml.io")
        return Problem(self.file, line, "", f"not TOML{column}: {what} ({cure})")


class Table:
    """One table of a document. The caller reads every key that it knows, then calls `done`.

    Attributes:
        path: its place in the document.
        label: the same for people, with names instead of positions: ``rule.ssh.match``.
    """

    __slots__ = ("_known", "_known_later", "_values", "document", "label", "path")

    def __init__(
        self,
        document: Document,
        values: Mapping[str, Any],
        path: Path = (),
        label: str = "",
    ) -> None:
        self.document = document
        self.path = path
        self.label = label
        self._values = values
        self._known: set[str] = set()
        self._known_later: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def wrong(self, key: str, message: str, *at: int) -> None:
        """Record that *key*, or its element *at*, is wrong; an empty *key* is the table itself."""
        path = (*self.path, key, *at) if key else self.path
        label = ".".join(part for part in (self.label, key) if part)
        self.document.note(path, label, message)

    def take(self, key: str) -> Any:
        """Return the value of *key*, which is then known; None if it is absent."""
        self._known.add(key)
        return self._values.get(key)

    def present(self, keys: Collection[str]) -> list[str]:
        """Return those of *keys* that are present, in that order; all *keys* are then known."""
        self._known.update(keys)
        return [key for key in keys if key in self._values]

    def table(self, key: str, shape: str) -> "Table":
        """Return the table *key*; an empty one if it is absent or no table, which is recorded.

        Args:
            key: its name.
            shape: how it should be written, for the message.
        """
        value = self.take(key)
        if value is not None and not isinstance(value, dict):
            self.wrong(key, f"not a table (write {shape})")
            value = None
        label = f"{self.label}.{key}" if self.label else key
        return Table(self.document, value or {}, (*self.path, key), label)

    def tables(self, key: str, shape: str) -> "list[Table]":
        """Return the array of tables *key*; each label has the ``name`` of the table, if any.

        In a document without lines, the label of a table without a name has its position, from 0.
        """
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.wrong(key, f"not a list of tables (write {shape})")
            return []
        found = []
        for at, item in enumerate(value):
            name = item.get("name")
            path = (*self.path, key, at)
            if isinstance(name, str):
                label = f"{key}.{name}"
            else:
                label = key if self.document.line(path) else f"{key}[{at}]"
            found.append(Table(self.document, item, path, label))
        return found

    def one(self, key: str, read: Callable[[Any], T], default: D) -> T | D:
        """Read the value of *key*; *default* if it is absent or invalid, which is recorded.

        Args:
            key: its name.
            read: converts the TOML value; raises RequestError with ``value: what (cure)``.
            default: the result if there is no valid value.
        """
        value = self.take(key)
        if value is None:
            return default
        try:
            return read(value)
        except RequestError as error:
            self.wrong(key, str(error))
            return default

    def each(self, key: str, read: Callable[[Any], T]) -> tuple[T, ...] | None:
        """Read the value of *key*, or each element if it is a list.

        Returns:
            The values; None if the key is absent or an element is invalid, which is recorded.
        """
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, list):  # as most are
            try:
                return (read(value),)
            except RequestError as error:
                self.wrong(key, str(error), 0)
                return None
        if not value:
            self.wrong(key, "an empty list (leave the key out, or name a value)")
            return None
        found = self._all(key, value, read)
        return found if len(found) == len(value) else None

    def all(self, key: str, read: Callable[[Any], T]) -> tuple[T, ...]:
        """Read the value of *key*, or each element if it is a list, which may be empty.

        Returns:
            The valid values; invalid ones are recorded.
        """
        value = self.take(key)
        if value is None:
            return ()
        return self._all(key, value if isinstance(value, list) else [value], read)

    def _all(self, key: str, items: list[Any], read: Callable[[Any], T]) -> tuple[T, ...]:
        found: list[T] = []
        for at, item in enumerate(items):
            try:
                found.append(read(item))
            except RequestError as error:
                self.wrong(key, str(error), at)
        return tuple(found)

    def later(self, keys: Collection[str]) -> None:
        """Record each of *keys* that is present as one that only a later version knows."""
        self._known_later.update(keys)
        for key in keys:
            if key in self._values:
                self.wrong(key, f"`{key}` is not in this version (leave it out)")

    def done(self) -> None:
        """Record every key that was not read as unknown."""
        if self._values.keys() <= self._known:
            return
        known = f"known here: {', '.join(sorted(self._known))}"
        unknown = [k for k in self._values if k not in self._known and k not in self._known_later]
        room = PROBLEMS_MAX - len(self.document.problems)
        for key in unknown[:room]:
            self.wrong(key, f"unknown key ({closest(key, self._known) or known})")
        self.document.more += len(unknown[room:])


# Whether tables and lists in *values* are nested deeper than any policy's; walks level by level.
def _is_deep(values: Any) -> bool:
    level, depth = [values], 0
    while level and depth <= _DEPTH_MAX:
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for some in inner for value in some if isinstance(value, dict | list)]
        depth += 1
    return bool(level)


def closest(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean X?`` if one of *known* resembles *word*, else ``""``."""
    by_lower = {name.lower(): name for name in sorted(known)}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"did you mean {by_lower[found[0]]}?" if found else ""


def choice(*options: S) -> Callable[[Any], S]:
    """Make a reader that accepts one of *options*."""

    def read(value: Any) -> S:
        for option in options:
            if value == option:
                return option
        right = " or ".join(f'"{option}"' for option in options)
        raise RequestError(f"{shown(value)}: unknown value (write {right})")

    return read


def flag(value: Any) -> bool:
    """Read ``true`` or ``false``.

    Raises:
        RequestError: *value* is something else.
    """
    if isinstance(value, bool):
        return value
    raise RequestError(f"{shown(value)}: not a truth value (write true or false)")


def string(value: Any) -> str:
    """Read a string.

    Raises:
        RequestError: *value* is something else.
    """
    if isinstance(value, str):
        return value
    raise RequestError(f'{shown(value)}: not a string (write it in quotes: "...")')
