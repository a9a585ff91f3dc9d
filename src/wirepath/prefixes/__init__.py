"""Prefix tables: lists of prefixes become the memory in which packets look up addresses.

All functions work on memory that the caller provides: plain buffers in tests, mapped BPF maps in
production. ``bpf/prefixes/prefix_layout.h`` defines its layout; the work is done in C.
"""

from wirepath.prefixes.live import Change, Dirty, Full, LiveSets, SetMemory
from wirepath.prefixes.members import (
    BadLine,
    Members,
    ParsedList,
    Widest,
    format_members,
    parse_list,
)
from wirepath.prefixes.tables import ClassTable, Tables, build_class_table, lookup, set_rows

__all__ = [
    "BadLine",
    "Change",
    "ClassTable",
    "Dirty",
    "Full",
    "LiveSets",
    "Members",
    "ParsedList",
    "SetMemory",
    "Tables",
    "Widest",
    "build_class_table",
    "format_members",
    "lookup",
    "parse_list",
    "set_rows",
]
