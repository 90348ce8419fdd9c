"""The registry: plugins, their parts, and errors for names that mean nothing or more than one thing."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cytosae_toolkit._plugin_loading import (
    Plugin,
    Source,
    is_disabled,
    load_plugin,
    normalized,
    strict_plugins,
)
from cytosae_toolkit._plugin_parts import Part, describe_error, kind_label
from cytosae_toolkit.errors import CytosaeError, PluginError, nearest
from cytosae_toolkit.interfaces.specs import API_VERSION
from cytosae_toolkit.training.events import Started, TrainingEvent

KINDS = ("backbone", "sae", "aggregator")


class PluginWarning(UserWarning):
    """A plugin is broken or incompatible; the rest works."""


class PluginNote(UserWarning):
    """Something about a plugin that is worth knowing, such as another version than the one recorded."""


class Registry:
    """All plugins and their parts.

    Parameters
    ----------
    plugins : sequence of Plugin
        Loaded plugins, broken ones included.
    """

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = list(plugins)
        self._silenced: dict[Path, set[str]] = {}

    @classmethod
    def from_sources(cls, sources: Iterable[Source], *, blocked: Iterable[str] = (), strict: bool = False) -> Registry:
        """Load plugins one by one.

        Parameters
        ----------
        sources : iterable of Source
            What to load.
        blocked : iterable of str
            Names of plugins or distributions (or ``distribution:plugin``) that are listed but not loaded.
        strict : bool
            Raise a `PluginError` at the first that fails.
        """
        blocked = list(blocked)
        plugins = []
        for source in sources:
            if is_disabled(source, blocked):
                message = "Disabled by CYTOSAE_DISABLE_PLUGINS."
                plugins.append(Plugin(source.distribution, source.version, source.name, "disabled", "", message))
            else:
                plugins.append(load_plugin(source, strict=strict))
        return cls(plugins)

    @classmethod
    def from_plugins(cls, plugins: Iterable[tuple[str, str, str, object]], *, strict: bool = False) -> Registry:
        """Build a registry of modules or objects at hand, for the tests of plugin authors.

        Parameters
        ----------
        plugins : iterable of (distribution, version, name, plugin)
            `plugin` is what the entry point would load.
        strict : bool
            Raise a `PluginError` at the first that fails.
        """

        def source(distribution: str, version: str, name: str, plugin: object) -> Source:
            return Source(distribution, version, name, lambda: plugin)

        return cls.from_sources([source(*entry) for entry in plugins], strict=strict)

    def parts(self, kind: str | None = None) -> list[Part]:
        """Return the usable parts of a kind (of all kinds: None), by kind and name."""
        found = [part for plugin in self.plugins for part in plugin.parts if kind in (None, part.kind)]
        return sorted(found, key=lambda part: (KINDS.index(part.kind), part.name, part.distribution))

    def get(self, kind: str, name: str) -> Part:
        """Return the part that a user names.

        Parameters
        ----------
        kind : str
            ``"backbone"``, ``"sae"`` or ``"aggregator"``.
        name : str
            Bare name, or ``distribution/name``.

        Raises
        ------
        PluginError
            If there is none, or more than one of that bare name; the message offers what there is, and says
            which plugins are broken.
        """
        found = _matching(self.parts(kind), name)
        if len(found) == 1:
            return found[0]
        if found:
            both = " or ".join(part.qualified_name for part in found)
            raise PluginError(f"The name {name!r} is offered by {len(found)} distributions.", f"Write {both}.")
        raise self._unknown(kind, name)

    def find(self, name: str) -> list[Part]:
        """Return what a name may mean, whatever the kind: parts, or all parts of the plugin of that name.

        Raises
        ------
        PluginError
            If it means nothing, or the plugin of that name provides no part.
        """
        found = _matching(self.parts(), name)
        if found:
            return found
        for plugin in self.plugins:
            if plugin.name == name and plugin.parts:
                return list(plugin.parts)
            if plugin.name == name and not plugin.refused:
                raise PluginError(f"{plugin.title} provides no part. {plugin.message}".rstrip())
        raise self._unknown(None, name)

    def _unknown(self, kind: str | None, name: str) -> PluginError:
        what = kind_label(kind) if kind else "plugin part"
        for part in _matching([part for plugin in self.plugins for part in plugin.refused], name):
            if kind in (None, part.kind):
                return _incompatible(part)
        others = _matching(self.parts(), name)
        if others:
            part = others[0]
            message = f"There is no {what} {name!r}: that is the {kind_label(part.kind)} of {part.distribution}."
            return PluginError(message, _offer(self.parts(kind), name))
        hint = " ".join([_offer(self.parts(kind), name), *self._troubles()])
        return PluginError(f"There is no {what} {name!r}.", hint)

    def _troubles(self) -> list[str]:
        """Say which plugins might have provided what is missing."""
        troubled = [plugin for plugin in self.plugins if plugin.state in ("broken", "disabled")]
        return [f"{plugin.title} is {plugin.state}: {plugin.message}" for plugin in troubled]

    def from_record(self, record: Mapping[str, Any]) -> tuple[Part, BaseModel]:
        """Reopen what `Part.record` described, with the same distribution.

        Another version of that distribution is accepted, with a `PluginNote`.

        Parameters
        ----------
        record : mapping
            As stored in a run, a token store or an atlas.

        Returns
        -------
        part : Part
        options : pydantic.BaseModel
            Validated.

        Raises
        ------
        CytosaeError
            If the record is malformed; if the plugin is missing, broken or refuses the options, in which case
            the message names what to install.
        """
        kind, name, distribution, version = (_text(record, key) for key in ("kind", "name", "distribution", "version"))
        part = next((p for p in _matching(self.parts(kind), f"{distribution}/{name}")), None)
        if part is None:
            raise self._missing(kind, name, distribution, version)
        try:
            options = part.parse_options(record.get("options") or {})
        except CytosaeError as error:
            if part.version == version:
                raise
            hint = f"This was made with {distribution} {version}. {_install(distribution, version)}."
            raise PluginError(error.message, hint) from error
        if part.version != version:
            note = f"{part.title} of {distribution} {version} is reopened with {part.version}."
            warnings.warn(note[0].upper() + note[1:], PluginNote, stacklevel=2)
        return part, options

    def _missing(self, kind: str, name: str, distribution: str, version: str) -> PluginError:
        needed = f"This needs the {kind_label(kind)} {name!r} of {distribution} {version}"
        same = [plugin for plugin in self.plugins if normalized(plugin.distribution) == normalized(distribution)]
        troubled = [plugin for plugin in same if plugin.state in ("broken", "incompatible", "disabled")]
        if troubled:
            plugin = troubled[0]
            return PluginError(f"{needed}, but {plugin.title} is {plugin.state}.", plugin.message)
        if same:
            return PluginError(
                f"{needed}, which the installed {same[0].version} does not provide.",
                f"{_install(distribution, version)}.",
            )
        return PluginError(f"{needed}, which is not installed.", f"{_install(distribution, version)}.")

    def report_problems(self) -> None:
        """Warn of each plugin that is broken, incompatible or blocked by a name that nothing has."""
        for plugin in self.plugins:
            if plugin.failed:
                warnings.warn(f"{plugin.title} is {plugin.state}. {plugin.message}", PluginWarning, stacklevel=3)

    def training_listeners(self) -> list[Plugin]:
        """Return the plugins that want to be told of training."""
        return [plugin for plugin in self.plugins if plugin.listener is not None]

    def training_event(self, event: TrainingEvent) -> None:
        """Tell each listener; one that raises is reported once and not told again in this run."""
        if isinstance(event, Started):
            self._silenced.pop(event.run, None)
        silenced = self._silenced.setdefault(event.run, set())
        for plugin in self.training_listeners():
            if plugin.title in silenced or plugin.listener is None:
                continue
            try:
                plugin.listener(event)
            except Exception as error:
                if strict_plugins():
                    raise
                silenced.add(plugin.title)
                message = (
                    f"{plugin.title} failed as a training logger and is told nothing more of {event.run} "
                    f"({describe_error(error)})."
                )
                warnings.warn(message, PluginWarning, stacklevel=2)


def _matching(parts: Iterable[Part], name: str) -> list[Part]:
    distribution, slash, bare = name.rpartition("/")
    if not slash:
        return [part for part in parts if part.name == name]
    wanted = normalized(distribution)
    return [part for part in parts if part.name == bare and normalized(part.distribution) == wanted]


def _offer(parts: list[Part], name: str) -> str:
    bare = [part.name for part in parts]
    names = [part.qualified_name if bare.count(part.name) > 1 else part.name for part in parts]
    return nearest(name, names)


def _incompatible(part: Part) -> PluginError:
    theirs, ours = (".".join(str(number) for number in version) for version in (part.spec.api, API_VERSION))
    direction = "Update this toolkit" if part.spec.api > API_VERSION else f"Update {part.distribution}"
    return PluginError(
        f"{part.title[0].upper()}{part.title[1:]} of {part.distribution} {part.version} is written for "
        f"version {theirs} of the plugin interface; this toolkit has {ours}.",
        f"{direction}.",
    )


def _install(distribution: str, version: str) -> str:
    return f"Run: pip install '{distribution}=={version}'"


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise CytosaeError(f"The record of the plugin that made this has no {key!r}: {dict(record)}.")
    return value
