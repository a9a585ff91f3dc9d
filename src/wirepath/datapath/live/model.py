"""The model of the serving policy, with the current sets and bans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wirepath.datapath.live.ban_view import BanView
from wirepath.datapath.live.set_view import SetView
from wirepath.model import Model
from wirepath.prefixes import Tables
from wirepath.prefixes.offline import by_name, offline

if TYPE_CHECKING:
    from wirepath.datapath.handles import Handles
    from wirepath.net import Hook


def model(handles: Handles, hook: Hook) -> Model:
    """Make the model of the policy at *hook*; it does not need *handles* afterwards."""
    sets = SetView(handles)
    contents = by_name(offline(Tables.build(sets.all_members())), sets.names())
    return Model(handles.policy, contents, BanView(handles).for_model(), hook=hook)
