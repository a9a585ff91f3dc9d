"""The policy that an operator writes: read from TOML, or refused with every problem in it.

Reading a policy needs no kernel and no privilege, and changes nothing.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

from wirepath import actions
from wirepath.document import Document, Table, choice, flag, string
from wirepath.errors import PolicyError, Problem, RequestError, errno_name, shown
from wirepath.inputs import POLICY_BYTES_MAX, open_input, read_input
from wirepath.net import HOOKS, ForeignFrames, Hook, Outcome, Prefix
from wirepath.policy import zones
from wirepath.policy.match import Match
from wirepath.policy.min_prefix import read_min_prefix
from wirepath.policy.names import TCP, UDP
from wirepath.policy.objects import AnyRule, AnySet, as_document
from wirepath.policy.possible import impossible
from wirepath.policy.tables import Rule, SetSpec, Settings

__all__ = ["RULES_MAX", "SETS_MAX", "SET_PREFIXES_MAX", "Match", "Policy", "Rule", "SetSpec"]

RULES_MAX: Final = 10_000
SETS_MAX: Final = 64
SET_PREFIXES_MAX: Final = 1_000_000

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_NAME_CURE: Final = "use a-z 0-9 . _ -, at most 63, beginning with a letter or digit"
_OUTCOME: Final[Callable[[Any], Outcome]] = choice("pass", "drop")
_HOOK: Final[Callable[[Any], Hook]] = choice(*HOOKS)
_FOREIGN: Final[Callable[[Any], ForeignFrames]] = choice("ignore", "judge")
_PROTO_NAMES: Final = {TCP: "tcp", UDP: "udp"}
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Policy:
    """A valid policy, made by `load`, `parse` or `of`; it is immutable.

    Two policies with the same contents are equal, even if they come from different files.

    Attributes:
        file: the file, as the operator named it.
        datapath: settings that apply to every packet.
        sets: the sets, by name.
        rules: the rules, in the order they are walked.
    """

    file: str = field(default="", compare=False)
    datapath: Settings
    sets: Mapping[str, SetSpec]
    rules: tuple[Rule, ...]
    _source: Document = field(compare=False, repr=False)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read the policy in the file *path*; names of set files are relative to its directory.

        Raises:
            PolicyError: the policy is wrong; has every problem.
            RequestError: the file cannot be read.
        """
        path = Path(path)
        try:
            data = read_input(path, POLICY_BYTES_MAX)
        except OSError as error:
            raise RequestError(f"read {path}: {_no(error)} (name a policy file)") from error
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            problem = Problem(str(path), line, "", "not UTF-8 (save the file as UTF-8)")
            raise PolicyError([problem]) from error
        return cls.parse(text, file=str(path), base=path.parent)

    @classmethod
    def parse(cls, text: str, *, file: str = "policy", base: Path | None = None) -> Self:
        """Read the policy *text*.

        Args:
            text: TOML.
            file: the name of the policy in messages.
            base: the directory that set files are relative to; the working directory if None.

        Raises:
            PolicyError: the policy is wrong; has every problem.
        """
        source = Document(text, file)
        return cls._read(source, source.parse(), _readable(base or Path.cwd()))

    @classmethod
    def of(
        cls,
        rules: Iterable[AnyRule] = (),
        *,
        sets: Mapping[str, AnySet] = _NONE,
        datapath: Mapping[str, Any] = _NONE,
        file: str = "policy",
        base: Path | None = None,
    ) -> Self:
        """Make a policy from Python objects instead of a text.

        Keys and values are those of the policy language. A key with the value None counts as left
        out; any collection serves as a list; prefixes may be `Prefix` or `ipaddress` objects.

        Args:
            rules: dicts with the keys of ``[[rule]]``, or rules of other policies, in order.
            sets: by name: prefixes, a dict with the keys of ``[set.NAME]``, or a set of another
                policy.
            datapath: the keys of ``[datapath]``.
            file: the name of the policy in messages and in ``wirepath status``.
            base: the directory that set files are relative to; the working directory if None.

        Raises:
            PolicyError: the policy is wrong; has every problem.
        """
        source = Document("", file)
        top = Table(source, as_document(rules, sets, datapath))
        return cls._read(source, top, _readable(base or Path.cwd()))

    @classmethod
    def from_document(cls, values: Mapping[str, Any], *, file: str = "policy") -> Self:
        """Make a policy from *values*, the result of `document`; set files need not exist any more.

        Raises:
            PolicyError: another version of wirepath made *values*.
        """
        source = Document("", file)
        top = Table(source, values)
        return cls._read(source, top, lambda value: Path(string(value)), serving=True)

    # A policy that serves already is not refused for rules that match nothing: an older version may
    # have accepted them.
    @classmethod
    def _read(
        cls, source: Document, top: Table, file: Callable[[Any], Path], *, serving: bool = False
    ) -> Self:
        datapath = _read_datapath(top.table("datapath", "[datapath]"))
        named = top.table("set", "[set.NAME]")
        tables = top.tables("rule", "[[rule]]")
        _check_counts(top, rules=len(tables), sets=len(named))
        sets = _read_sets(named, file)
        rules = _read_rules(tables, sets)
        for number, key, message in zones.misplaced(rules):
            tables[number].table("match", "").wrong(key, message)
        if not serving and not source.problems:
            _check_matches(datapath, zip(tables, rules, strict=True))
        if message := _let_nothing_out(datapath, rules):
            top.table("datapath", "[datapath]").wrong("default", message)
        top.later(("service",))
        top.done()
        source.check()
        return cls(file=source.file, datapath=datapath, sets=sets, rules=rules, _source=source)

    @property
    def tracks(self) -> bool:
        """Whether some rule matches on the state of connections."""
        return any(rule.match.ct is not None for rule in self.rules)

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """The hooks that need a program: those with rules, and always ingress, for bans."""
        used = {hook for rule in self.rules for hook in rule.hooks}
        if any(rule.action.on_answers for rule in self.rules):
            used.add("egress")
        return tuple(hook for hook in HOOKS if hook == "ingress" or hook in used)

    def at(self, hook: Hook) -> Self:
        """Return the part of the policy that applies to packets at *hook*."""
        datapath = replace(
            self.datapath,
            default=self.datapath.defaults.get(hook, self.datapath.default),
            defaults={},
        )
        rules = tuple(rule for rule in self.rules if hook in rule.hooks)
        if not rules and hook != "ingress":
            datapath = _NOTHING_ASKED
        if hook == "egress":
            rules = (*_on_answers(self.rules), *rules)
        return replace(self, datapath=datapath, rules=rules)

    def document(self) -> dict[str, Any]:
        """Give the policy as plain values, for JSON; `from_document` is the way back."""
        return {
            "datapath": self.datapath.document() | self._default(),
            "set": {name: spec.document() for name, spec in self.sets.items()},
            "rule": [rule.document() for rule in self.rules],
        }

    def _default(self) -> dict[str, Any]:
        if not self.datapath.defaults:
            return {}
        return {"default": {hook: self.at(hook).datapath.default for hook in HOOKS}}

    def __repr__(self) -> str:
        counted = ((len(self.rules), "rule"), (len(self.sets), "set"))
        parts = [f"{count:,} {what}{'s' * (count != 1)}" for count, what in counted]
        return f"<policy {self.file}: {', '.join(parts)}>"

    def problem(self, message: str, *path: str | int) -> Problem:
        """Make a problem that is found after reading, such as a bad line in a set file.

        Args:
            message: ``what is wrong (what to do)``.
            path: the path of the key, with rules by position: ``"rule", 3, "match"``.
        """
        key = ".".join(self.rules[p].name if isinstance(p, int) else p for p in path)
        return Problem(self.file, self.line(*path), key, message)

    def line(self, *path: str | int) -> int:
        """Return the line on which *path* begins; 0 if the policy was not read from a text."""
        return self._source.line(path)


# So many rules or sets would take long to read.
def _check_counts(top: Table, *, rules: int, sets: int) -> None:
    if rules > RULES_MAX:
        top.wrong("rule", f"{rules} rules are too many (at most {RULES_MAX})")
    if sets > SETS_MAX:
        top.wrong("set", f"{sets} sets are too many (at most {SETS_MAX})")
    if rules > RULES_MAX or sets > SETS_MAX:
        top.document.check()


# At a hook without rules of the operator nothing is dropped: the program may be there only for
# rules of ours, such as those of `_on_answers`.
_NOTHING_ASKED: Final = Settings(malformed="pass")


# Rules for answers come before all others at egress; ':' keeps their names apart from operators'.
def _on_answers(rules: tuple[Rule, ...]) -> Iterator[Rule]:
    for rule in rules:
        if action := rule.action.on_answers:
            name, match = f"{rule.name}:answers", rule.match.of_answers()
            yield Rule(name=name, match=match, action=action, hooks=("egress",))


def _read_datapath(table: Table) -> Settings:
    default, defaults = _read_defaults(table)
    datapath = Settings(
        default=default,
        defaults=defaults,
        essentials=table.one("essentials", flag, None),
        foreign_frames=table.one("foreign_frames", _FOREIGN, "ignore"),
        fragments=table.one("fragments", _OUTCOME, "pass"),
        malformed=table.one("malformed", _OUTCOME, "drop"),
        never_block=table.all("never_block", _prefix),
    )
    table.done()
    return datapath


# An allow list at ingress is hardly meant to drop everything that the host sends.
def _let_nothing_out(datapath: Settings, rules: tuple[Rule, ...]) -> str:
    for hook in HOOKS[1:]:
        here = [rule for rule in rules if hook in rule.hooks]
        drops = datapath.defaults.get(hook, datapath.default) == "drop"
        if here and drops and not any("pass" in rule.action.may for rule in here):
            cure = f'write default = {{ ingress = "drop" }}, or a rule that passes at {hook}'
            return f'"drop": at {hook} no rule passes anything, so all would be dropped ({cure})'
    return ""


# The default is one outcome for all hooks, or a table by hook.
def _read_defaults(table: Table) -> tuple[Outcome, dict[Hook, Outcome]]:
    if not isinstance(table.take("default"), dict):
        return table.one("default", _OUTCOME, "pass"), {}
    by_hook = table.table("default", 'default = { ingress = "drop" }')
    defaults: dict[Hook, Outcome] = {hook: by_hook.one(hook, _OUTCOME, "pass") for hook in HOOKS}
    by_hook.done()
    return defaults["ingress"], {h: d for h, d in defaults.items() if d != defaults["ingress"]}


def _prefix(value: Any) -> Prefix:
    return Prefix.parse(string(value))


def _read_sets(table: Table, file: Callable[[Any], Path]) -> dict[str, SetSpec]:
    sets = {}
    for name in table:
        if not _NAME.fullmatch(name):
            table.wrong(name, f"{shown(name)}: not a name for a set ({_NAME_CURE})")
        entry = table.table(name, f"[set.{name}]")
        prefixes = entry.all("prefixes", _prefix)
        if len(prefixes) > SET_PREFIXES_MAX:
            message = f"{len(prefixes)} prefixes are too many (at most {SET_PREFIXES_MAX} a set)"
            entry.wrong("prefixes", message)
        sets[name] = SetSpec(
            name=name,
            files=entry.all("files", file),
            prefixes=prefixes,
            counters=entry.one("counters", flag, default=False),
            min_prefix=read_min_prefix(entry),
        )
        entry.done()
    return sets


def _readable(base: Path) -> Callable[[Any], Path]:
    # Returns a reader of file names that only checks whether each file can be opened.
    def read(value: Any) -> Path:
        path = (base / string(value)).absolute()
        try:
            open_input(path).close()
        except OSError as error:
            raise RequestError(f"{value}: {_no(error)} (looked for {path})") from error
        return path

    return read


def _no(error: OSError) -> str:
    return f"{error.strerror} [{errno_name(error.errno or 0)}]"


def _read_rules(tables: list[Table], sets: Collection[str]) -> tuple[Rule, ...]:
    first: dict[str, Table] = {}
    rules = []
    for table in tables:
        name = table.one("name", _name, "")
        if "name" not in table:
            table.wrong("", 'a rule without a name (write name = "...": counters go by it)')
        elif name in first:
            line = table.document.line((*first[name].path, "name"))
            taken = f"the rule of line {line}" if line else "a rule before it"
            table.wrong("name", f"{shown(name)}: taken by {taken} (write another)")
        elif name:
            first[name] = table
        hooks = _read_hooks(table)
        noted = len(table.document.problems)
        of_match = table.table("match", "match = { ... }")
        match = Match.read(of_match, sets)
        sound = len(table.document.problems) == noted
        action = actions.read(table)
        if sound and action.matches and not match.is_for_ports_of(action.matches):
            cure = f'write match = {{ proto = "{_PROTO_NAMES[action.matches]}", dport = ... }}'
            table.wrong(action.kind, f"in a rule for other packets too ({cure})")
        if action.tcp_flags:
            match = match.for_syns(of_match, action.tcp_flags)
        if elsewhere := [hook for hook in hooks if hook not in action.hooks]:
            right = [f'"{hook}"' for hook in action.hooks]
            listed = f"[{', '.join(right)}]" if len(right) > 1 else right[0]
            cure = f"write hook = {listed}"
            why = f": {action.absent}" if action.absent else ""
            message = f"`{action.kind}` does not work there{why} ({cure})"
            table.wrong("hook", f"{shown(elsewhere[0])}: {message}")
        for key, message in action.misplaced(hooks):
            table.table(action.kind, "").wrong(key, message)
        rules.append(Rule(name=name, match=match, action=action, hooks=hooks))
        if message := _too_many(rules):
            table.wrong(action.kind, message)
        table.done()
    return tuple(rules)


# Refuses rules that no packet can match.
def _check_matches(datapath: Settings, found: Iterable[tuple[Table, Rule]]) -> None:
    for table, rule in found:
        wrong = impossible(rule.match.predicates(), judged="egress" in rule.hooks)
        fragment = rule.match.fragment
        if datapath.fragments == "drop" and fragment and fragment.kinds == {"later"}:
            what = 'fragments = "drop" of [datapath] drops these before any rule'
            wrong.append(("fragment", f"{what} (take the rule out)"))
        for key, message in wrong:
            of_match = table.table("match", "match = { ... }")
            of_match.wrong(key if key in of_match else "", message)


# Says why the last of *rules* is one too many of its kind; empty if it is not.
def _too_many(rules: list[Rule]) -> str:
    action = rules[-1].action
    for hook in rules[-1].hooks if action.most else ():
        alike = sum(hook in rule.hooks and rule.action.kind == action.kind for rule in rules)
        if alike == (action.most or 0) + 1:
            return f"rule {alike} with `{action.kind}` at {hook} (at most {action.most} a hook)"
    return ""


def _name(value: Any) -> str:
    name = string(value)
    if _NAME.fullmatch(name):
        return name
    raise RequestError(f"{shown(name)}: not a name for a rule ({_NAME_CURE})")


def _read_hooks(table: Table) -> tuple[Hook, ...]:
    return _in_order(table.each("hook", _HOOK) or ("ingress",))


@lru_cache
def _in_order(hooks: tuple[Hook, ...]) -> tuple[Hook, ...]:
    return tuple(hook for hook in HOOKS if hook in hooks)
