"""What dbt does again at every run of a process and comes out alike each time is done once here, or not at all.

It takes a third of a run's time, and bears on nothing that a run reads or writes. Imported by support.project.
"""

from __future__ import annotations

import functools
from typing import Any

import parsedatetime
from dbt_common.behavior_flags import BehaviorFlagRendered
from dbt_common.clients.jinja import MacroFuzzEnvironment
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager

HEARD = ("SQLQuery", "PrintEvent", "JinjaLogInfo")
"""Events below warnings that somebody listens to."""

# At every run dbt walks the stack once for each of its behaviour flags, to name the module in a warning. In a worker of
# pytest-xdist, whose frames have no file, that takes longer than all the rest; none of the tests reads the name.
BehaviorFlagRendered._default_source = staticmethod(lambda: "tests")  # type: ignore[method-assign]

# The answer to every query gets a parser of dates, whose patterns are put together for it.
parsedatetime.Constants = functools.cache(parsedatetime.Constants)

compile_template = MacroFuzzEnvironment.compile
make_event = BaseEvent.__init__
fire_event = EventManager.fire_event
compiled: dict[tuple[type, str], Any] = {}


def compile_once(self: MacroFuzzEnvironment, source: Any, *arguments: Any, **options: Any) -> Any:
    """A macro's text is compiled once, and not at every run."""
    if arguments or options or not isinstance(source, str):
        return compile_template(self, source, *arguments, **options)
    key = type(self), source
    if key not in compiled:
        compiled[key] = compile_template(self, source)
    return compiled[key]


def remember(self: BaseEvent, *arguments: Any, **options: Any) -> None:
    """An event is put together when somebody asks for what it says."""
    vars(self)["_made_of"] = arguments, options


def pb_msg(self: BaseEvent) -> Any:
    """What an event says."""
    if "_pb_msg" not in vars(self):
        arguments, options = vars(self)["_made_of"]
        make_event(self, *arguments, **options)
    return vars(self)["_pb_msg"]


def fire_if_heard(
    self: EventManager, e: BaseEvent, level: EventLevel | None = None, *rest: Any, **options: Any
) -> None:
    """An event that nobody listens to is not made a message."""
    if (level or e.level_tag()) != EventLevel.DEBUG or type(e).__name__ in HEARD:
        fire_event(self, e, level, *rest, **options)


MacroFuzzEnvironment.compile = compile_once  # type: ignore[assignment, method-assign]
BaseEvent.__init__ = remember  # type: ignore[method-assign]
BaseEvent.pb_msg = property(pb_msg, lambda self, message: vars(self).update(_pb_msg=message))
EventManager.fire_event = fire_if_heard  # type: ignore[method-assign]
