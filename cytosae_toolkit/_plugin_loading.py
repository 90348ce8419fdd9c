"""Loading plugins one at a time: load, register, check, ask. What fails is noted and the others go on.

pluggy by itself aborts all plugins when one cannot be imported or asked, skips the second of two entry points
of one name in silence, and accepts misspelt hooks; hence a plugin manager per plugin and the checks below.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pluggy

from cytosae_toolkit import hookspecs
from cytosae_toolkit._plugin_parts import Part, describe_error
from cytosae_toolkit.errors import PluginError, nearest
from cytosae_toolkit.interfaces.specs import API_VERSION, AggregatorSpec, BackboneSpec, SAESpec, Spec

PART_HOOKS: dict[str, type[Spec]] = {
    "cytosae_backbones": BackboneSpec,
    "cytosae_saes": SAESpec,
    "cytosae_aggregators": AggregatorSpec,
}
EVENT_HOOK = "cytosae_training_event"
HOOKS = (*PART_HOOKS, EVENT_HOOK)


@dataclass(frozen=True)
class Source:
    """An installed entry point that has not been loaded yet.

    Parameters
    ----------
    distribution, version : str
        The distribution that declares it.
    name : str
        Name of the entry point.
    load : callable
        Imports and returns the plugin.
    """

    distribution: str
    version: str
    name: str
    load: Callable[[], object]


@dataclass
class Plugin:
    """A plugin and how it fared.

    Attributes
    ----------
    distribution, version, name : str
        The distribution that carries it; name of its entry point.
    state : str
        ``"ok"``, ``"warning"`` (works, but see the message), ``"broken"``, ``"incompatible"`` (all or some of
        its parts are written for another major version of the interface) or ``"disabled"``.
    stage : str
        Where a broken plugin failed: ``"import"``, ``"register"`` or ``"answer"``; else empty.
    message : str
        What is the matter, one or more sentences; empty if nothing is.
    parts : list of Part
        What can be used of it.
    refused : list of Part
        What it provides for another major version of the interface.
    listener : callable, optional
        Receives training events.
    """

    distribution: str
    version: str
    name: str
    state: str = "ok"
    stage: str = ""
    message: str = ""
    parts: list[Part] = field(default_factory=list)
    refused: list[Part] = field(default_factory=list)
    listener: Callable[[Any], None] | None = None

    @property
    def title(self) -> str:
        """Such as ``cytosae-gigapath 0.3 (plugin gigapath)``."""
        return f"{self.distribution} {self.version} (plugin {self.name})"

    @property
    def failed(self) -> bool:
        """Whether something of it cannot be used."""
        return self.state in ("broken", "incompatible")

    def note(self, state: str, message: str, stage: str = "") -> None:
        """Add a message; the worst state stays."""
        order = ("ok", "warning", "incompatible", "broken")
        self.message = f"{self.message} {message}".strip()
        if order.index(state) > order.index(self.state):
            self.state = state
        self.stage = self.stage or stage


def normalized(name: str) -> str:
    """Return a distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_sources() -> Iterator[Source]:
    """Yield the entry points of all installed distributions, each once, in a stable order."""
    seen: set[tuple[str, str]] = set()
    for entry in sorted(importlib.metadata.entry_points(group=hookspecs.PROJECT), key=_order):
        distribution = entry.dist.name if entry.dist else "unknown"
        key = (normalized(distribution), entry.name)
        if key not in seen:
            seen.add(key)
            yield Source(distribution, entry.dist.version if entry.dist else "unknown", entry.name, entry.load)


def _order(entry: importlib.metadata.EntryPoint) -> tuple[str, str]:
    return (normalized(entry.dist.name) if entry.dist else "", entry.name)


def disabled_names() -> list[str]:
    """Return what `CYTOSAE_DISABLE_PLUGINS` blocks: plugins, distributions or ``distribution:plugin``."""
    names = os.environ.get("CYTOSAE_DISABLE_PLUGINS", "").split(",")
    return [name.strip() for name in names if name.strip()]


def strict_plugins() -> bool:
    """Say whether `CYTOSAE_STRICT_PLUGINS` asks for exceptions instead of reports."""
    return os.environ.get("CYTOSAE_STRICT_PLUGINS", "") not in ("", "0")


def names_of(source: Source) -> set[str]:
    """Return the names under which a plugin can be disabled."""
    distribution = normalized(source.distribution)
    return {source.name, distribution, f"{distribution}:{source.name}"}


def is_disabled(source: Source, blocked: Iterable[str]) -> bool:
    """Say whether a plugin is blocked by name."""
    return any(name in names_of(source) or _normalized_pair(name) in names_of(source) for name in blocked)


def _normalized_pair(name: str) -> str:
    distribution, colon, plugin = name.partition(":")
    return f"{normalized(distribution)}{colon}{plugin}"


def load_plugin(source: Source, *, strict: bool = False) -> Plugin:
    """Load, register, check and ask one plugin.

    Parameters
    ----------
    source : Source
        What to load.
    strict : bool
        Raise what the plugin raises instead of noting it.

    Returns
    -------
    Plugin
        With its parts, or with the reason why there are none.

    Raises
    ------
    PluginError
        If `strict` and the plugin fails or is incompatible.
    """
    plugin = Plugin(source.distribution, source.version, source.name)
    for step in _steps(source, plugin):
        try:
            step()
        except _StageError as failure:
            plugin.note("broken", failure.message, failure.stage)
            if strict:
                raise PluginError(f"{plugin.title}: {failure.message}") from failure.__cause__
    if strict and plugin.failed:
        raise PluginError(f"{plugin.title}: {plugin.message}")
    return plugin


class _StageError(Exception):
    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage
        self.message = message


def _steps(source: Source, plugin: Plugin) -> Iterator[Callable[[], None]]:
    """Yield what is to be done, so that the failure of one hook leaves the plugin's other hooks alone."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)  # one per plugin: a hook call reaches this plugin alone
    manager.add_hookspecs(hookspecs)
    yield lambda: _register(_import(source), manager, plugin)
    if plugin.failed:
        return
    for hook, expected in PART_HOOKS.items():
        yield partial(_ask, manager, hook, expected, plugin)
    if getattr(manager.hook, EVENT_HOOK).get_hookimpls():
        plugin.listener = _listener(manager)
    _sort_by_api(plugin)


def _import(source: Source) -> object:
    try:
        return source.load()
    except (Exception, SystemExit) as error:
        raise _StageError("import", f"It cannot be imported ({describe_error(error)}).") from error


def _register(module: object, manager: pluggy.PluginManager, plugin: Plugin) -> None:
    try:
        manager.register(module, name=f"{plugin.distribution}:{plugin.name}")
    except Exception as error:
        raise _StageError("register", f"It cannot be registered ({describe_error(error)}).") from error
    hooks = manager.get_hookcallers(module) or []
    if not hooks:
        plugin.note("warning", _why_no_hooks(module))
    for hook in hooks:
        required = any(not implementation.optionalhook for implementation in hook.get_hookimpls())
        if hook.name not in HOOKS and required:
            raise _StageError("register", f"It implements {hook.name!r}, which is no hook. {nearest(hook.name, HOOKS)}")


def _why_no_hooks(module: object) -> str:
    unmarked = [hook for hook in HOOKS if callable(getattr(module, hook, None))]
    if unmarked:
        return (
            f"It defines {', '.join(unmarked)} without the marker of this toolkit, so nothing of it is used: "
            "mark it with cytosae_toolkit.hookspecs.hookimpl."
        )
    return "It implements no hook."


def _ask(manager: pluggy.PluginManager, hook: str, expected: type[Spec], plugin: Plugin) -> None:
    """Add what a plugin answers to one hook to its parts."""
    caller = getattr(manager.hook, hook)
    try:
        results = caller()
        answers = [spec for specs in results for spec in _listed(specs)]
    except (Exception, SystemExit) as error:
        raise _StageError("answer", f"Its hook {hook} fails ({describe_error(error)}).") from error
    if caller.get_hookimpls() and not results:  # pluggy leaves None out
        raise _StageError("answer", f"Its hook {hook} returns nothing; a `return` may be missing.")
    for spec in answers:
        if not isinstance(spec, expected):
            found = f"{type(spec).__name__} instead of {expected.__name__}"
            raise _StageError("answer", f"Its hook {hook} returns {found}.")
        if not _is_version(spec.api):
            raise _StageError("answer", f"The API version {spec.api!r} of {spec.name!r} is not two whole numbers.")
        if any(part.kind == spec.kind and part.name == spec.name for part in plugin.parts):
            raise _StageError("answer", f"Its hook {hook} returns the name {spec.name!r} twice.")
        plugin.parts.append(Part(spec, plugin.distribution, plugin.version, plugin.name))


def _listed(specs: Any) -> list[Any]:
    if isinstance(specs, Spec):
        raise TypeError("it returns one spec where a list of specs is expected")
    return list(specs)


def _is_version(api: Any) -> bool:
    return isinstance(api, tuple) and len(api) == 2 and all(isinstance(number, int) for number in api)


def _listener(manager: pluggy.PluginManager) -> Callable[[Any], None]:
    def call(event: Any) -> None:
        getattr(manager.hook, EVENT_HOOK)(event=event)

    return call


def _sort_by_api(plugin: Plugin) -> None:
    major, minor = API_VERSION
    plugin.refused = [part for part in plugin.parts if part.spec.api[0] != major]
    plugin.parts = [part for part in plugin.parts if part.spec.api[0] == major]
    if plugin.refused:
        plugin.note("incompatible", f"{_written_for(plugin.refused)}; this toolkit has {major}.{minor}.")
    newer = [part for part in plugin.parts if part.spec.api[1] > minor]
    if newer:
        plugin.note("warning", f"{_written_for(newer)}; this toolkit has {major}.{minor}, which may lack something.")


def _written_for(parts: list[Part]) -> str:
    names = ", ".join(part.name for part in parts)
    versions = ", ".join(sorted({f"{part.spec.api[0]}.{part.spec.api[1]}" for part in parts}))
    return f"Written for version {versions} of the plugin interface: {names}"
