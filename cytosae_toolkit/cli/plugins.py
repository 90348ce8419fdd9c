"""``plugins``: what is installed, from where, in which state; its options; whether it keeps its contract."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.cli.common import (
    DebugOption,
    DeviceOption,
    JsonOption,
    OfflineOption,
    parse_pairs,
    print_json,
    say,
    stdout_console,
)

if TYPE_CHECKING:
    from rich.table import Table

    from cytosae_toolkit.plugins import Part, Registry
    from cytosae_toolkit.testing import Outcome

commands = typer.Typer(help="List, describe and check installed plugins.")

NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Of a backbone, SAE variant, aggregator or plugin, or distribution/name."),
]


def register(app: typer.Typer) -> None:
    """Add ``plugins`` to the program."""
    app.add_typer(commands, name="plugins")


@commands.callback(invoke_without_command=True)
def _plugins(ctx: typer.Context, json: JsonOption = False, debug: DebugOption = False) -> None:
    if ctx.invoked_subcommand is None:
        list_plugins(json=json)


@commands.command("list")
def list_plugins(json: JsonOption = False, debug: DebugOption = False) -> None:
    """List what is installed, from where, and in which state."""
    registry = _registry()
    if json:
        print_json(_listing(registry))
        return
    stdout_console().print(_parts_table(registry))
    for plugin in registry.plugins:
        if plugin.message:
            say(f"{plugin.state}: {plugin.title}. {plugin.message}")


@commands.command("show")
def show(name: NameArgument, json: JsonOption = False, debug: DebugOption = False) -> None:
    """Describe a backbone, SAE variant or aggregator and its options."""
    registry = _registry()
    parts = registry.find(name)
    if json:
        print_json([_described(registry, part) for part in parts])
        return
    for part in parts:
        _show(registry, part)


@commands.command("check")
def check(
    name: NameArgument,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", "-o", "-B", "-S", metavar="KEY=VALUE", help="An option to make the part with; repeatable."
        ),
    ] = None,
    device: DeviceOption = "cpu",
    offline: OfflineOption = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run the conformance suite; exit code 2 if a check fails."""
    from cytosae_toolkit.testing import check_part

    options = parse_pairs(option, "-o")
    documents: list[dict[str, Any]] = []
    for part in _registry().find(name):
        outcomes = []
        if not json:
            say(f"{part.qualified_name} ({part.kind})")
        for outcome in check_part(part, options, device=device, offline=offline):
            outcomes.append(outcome)
            if not json:
                _say_outcome(outcome)
        documents.append({"kind": part.kind, "name": part.qualified_name, "checks": outcomes})
    states = [outcome.state for document in documents for outcome in document["checks"]]
    if json:
        print_json(documents)
    else:
        counts = [(states.count(state), state) for state in ("passed", "skipped", "failed")]
        say(", ".join(f"{n} {state}" for n, state in counts if n) + ".")
    if "failed" in states:
        raise typer.Exit(2)


def _say_outcome(outcome: Outcome) -> None:
    colour = {"passed": typer.colors.GREEN, "skipped": typer.colors.YELLOW}.get(outcome.state, typer.colors.RED)
    typer.secho(f"  {outcome.state:<8}", fg=colour, nl=False)
    say(f"{outcome.name}{': ' if outcome.message else ''}{outcome.message}")


def _registry() -> Registry:
    """Return the registry without its warnings: these commands show them as part of their result."""
    from cytosae_toolkit.plugins import PluginWarning, registry

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        return registry()


def _state(registry: Registry, part: Part) -> str:
    if sum((other.kind, other.name) == (part.kind, part.name) for other in registry.parts()) > 1:
        return "clash"
    plugin = next(plugin for plugin in registry.plugins if part in plugin.parts)
    return "ok" if plugin.state in ("broken", "incompatible") else plugin.state


def _licence(part: Part) -> str | None:
    return getattr(part.spec, "weights_license", None)


def _listing(registry: Registry) -> dict[str, Any]:
    return {
        "parts": [_summary(registry, part) for part in registry.parts()],
        "plugins": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "state": plugin.state,
                "stage": plugin.stage or None,
                "message": plugin.message or None,
                "parts": [part.name for part in plugin.parts],
                "refused": [part.name for part in plugin.refused],
                "training_events": plugin.listener is not None,
            }
            for plugin in registry.plugins
        ],
    }


def _summary(registry: Registry, part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "qualified_name": part.qualified_name,
        "kind": part.kind,
        "summary": part.spec.summary,
        "distribution": part.distribution,
        "version": part.version,
        "plugin": part.plugin,
        "state": _state(registry, part),
        "weights_license": _licence(part),
    }


def _described(registry: Registry, part: Part) -> dict[str, Any]:
    return {
        **_summary(registry, part),
        "citation": getattr(part.spec, "citation", None) or None,
        "demonstration": getattr(part.spec, "demonstration", False),
        "api": part.spec.api,
        "factory": part.spec.factory,
        "options": part.describe_options(),
    }


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _parts_table(registry: Registry) -> Table:
    table = _table("name", "kind", "summary", "from", "state", "licence of weights")
    for part in registry.parts():
        state = _state(registry, part)
        name = part.qualified_name if state == "clash" else part.name
        origin = f"{part.distribution} {part.version}"
        table.add_row(name, part.kind, part.spec.summary, origin, state, _licence(part) or "")
    return table


def _show(registry: Registry, part: Part) -> None:
    described = _described(registry, part)
    say(f"{part.name} ({part.kind}): {part.spec.summary}")
    say(f"from {part.distribution} {part.version}, plugin {part.plugin}, state {described['state']}")
    if described["weights_license"]:
        say(f"licence of the weights: {described['weights_license']}")
    if described["citation"]:
        say(f"cite: {described['citation']}")
    if described["demonstration"]:
        say("a demonstration backbone: not for research")
    if not described["options"]:
        say("It takes no options.")
        return
    table = _table("option", "type", "default", "meaning")
    for option in described["options"]:
        default = "(required)" if option.required else str(option.default)
        table.add_row(option.name, option.type, default, option.description)
    stdout_console().print(table)
