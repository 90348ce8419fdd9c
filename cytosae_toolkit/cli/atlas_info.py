"""``atlas info``: what an atlas holds, and how far its image sets agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.cli.common import DebugOption, JsonOption, print_json, say

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas


def register(atlas_app: typer.Typer) -> None:
    """Add ``info`` to ``atlas``."""
    atlas_app.command("info")(info)


def info(
    atlas: Annotated[Path, typer.Argument(metavar="A", help="Atlas.")],
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say what an atlas holds: images, latents, concepts over thresholds, flags, agreement between image sets."""
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.cli.atlas_build import warn_of

    opened = open_atlas(atlas)
    found = describe(opened)
    if json:
        print_json(found)
        return
    for line in lines(found):
        say(line)
    warn_of(opened)


def describe(atlas: Atlas) -> dict[str, Any]:
    """Return what there is to say of an atlas, JSON-compatible."""
    from cytosae_toolkit.atlas.agreement import agreement
    from cytosae_toolkit.atlas.thresholds import count_above

    latents, record = atlas.latents, atlas.record
    columns = [name for name in map(str, latents.columns) if name.startswith("flag_")]
    flags = {name.removeprefix("flag_"): int(latents[name].sum()) for name in columns}
    means = {name: atlas.varm(f"stats:{name}")[:, 0] for name in atlas.sets} if atlas.has_images else {}
    return {
        "atlas": atlas.path,
        "d_sae": atlas.d_sae,
        "n_fired": int((latents["frequency"] > 0).sum()) if "frequency" in latents else None,
        "n_images": atlas.n_images,
        "sets": record["sets"],
        "labels": record["labels"],
        "above": count_above(latents["mean_activation"].to_numpy()),
        "flags": flags,
        "n_named": int((latents["name"] != "").sum()),
        "threshold": record.get("threshold"),
        "kept_share": record.get("kept_share"),
        "top": record.get("top"),
        "agreement": [vars(pair) for pair in agreement(means)] if len(means) > 1 else [],
        "sae_fingerprint": record["sae_fingerprint"],
        "backbone_fingerprint": record.get("backbone_fingerprint"),
        "layer": record.get("layer"),
        "demonstration": record.get("demonstration", False),
        "created": record.get("created"),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """Return the description as lines for people."""
    fired = "" if found["n_fired"] is None else f", {found['n_fired']:,} of them active on at least one image"
    images = f"{found['n_images']:,} images" if found["n_images"] else "no images"
    out = [f"{found['atlas']}: {found['d_sae']:,} latents{fired}; {images}"]
    for entry in found["sets"]:
        groups = f" of {entry['n_groups']:,} cells" if "n_groups" in entry else ""
        share = entry.get("unlike_share")
        unlike = f", {100 * share:.0f} % unlike the training images" if share else ""
        images = "published statistics" if entry["n_images"] is None else f"{entry['n_images']:,} images"
        out.append(f"  {entry['name']}: {images}{groups}{unlike}")
    if found["labels"]:
        out.append(f"labels: {', '.join(found['labels'])}")
    above = ", ".join(f"> {limit}: {count:,}" for limit, count in found["above"].items())
    out.append(f"latents by log10 mean activation: {above}; named: {found['n_named']:,}")
    if found["flags"]:
        flagged = ", ".join(f"{name.replace('_', '-')} {count:,}" for name, count in found["flags"].items())
        out.append(f"flagged (hidden in searches unless asked for): {flagged}")
    if found["kept_share"] is not None:
        out.append(f"τ = {found['threshold']:g} keeps {100 * found['kept_share']:.1f} % of the activations of patches")
    out += [_agreement_line(pair) for pair in found["agreement"]]
    if found["demonstration"]:
        out.append("demonstration backbone: no clinical meaning")
    return out


def _agreement_line(pair: dict[str, Any]) -> str:
    either = pair["n_first"] + pair["n_second"] - pair["n_both"]
    return (
        f"{pair['first']} and {pair['second']}: rank correlation of mean activation {pair['rank_correlation']:.2f}, "
        f"{pair['n_both']:,} of {either:,} strong latents in both ({pair['overlap']:.2f})"
    )
