"""What a run remembers of its input, and what may change when it goes on."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training.config import NOT_RESULT, TrainConfig, count_latents

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable, Split
    from cytosae_toolkit.training.run import Run

PACKAGES = ("cytosae-toolkit", "torch", "timm", "numpy", "pillow")


def software_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide results."""
    versions = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return versions


def images_digest(images: ImageTable, split: Split) -> str:
    """Return a hash of the images' content in table order and of their split."""
    digest = hashlib.blake2b(digest_size=16)
    for key in images.content_keys():
        digest.update(str(key).encode())
    digest.update(split.held_out.tobytes())
    return digest.hexdigest()


def check_resumable(config: TrainConfig) -> TrainConfig:
    """Complete a configuration from the run that it resumes.

    Fields that were not set are taken from the run; fields that were set must not contradict it, except those that
    do not change the result (`NOT_RESULT`), and `steps`, which may grow.

    Raises
    ------
    CytosaeError
        If a field contradicts the run, fewer steps are asked for than were planned, or the run was imported.
    """
    from cytosae_toolkit.plugins import registry
    from cytosae_toolkit.training.run import load_run

    if not (config.out / "config.json").is_file():
        return config
    run = load_run(config.out)
    if run.imported:
        raise CytosaeError(f"The run {run.path} was imported: it has no state to go on from.", "Choose another --out.")
    for record in run.record["plugins"].values():
        registry().from_record(record)  # says what to install if a plugin is gone
    wanted = _resolved(config, run)
    recorded: dict[str, Any] = run.config
    for name in sorted(config.model_fields_set - NOT_RESULT):
        _check_same(run.path, name, wanted[name], recorded.get(name))
    if "steps" in config.model_fields_set and wanted["steps"] and wanted["steps"] < recorded["steps"]:
        raise CytosaeError(
            f"The run {run.path} was planned for {recorded['steps']} steps, {wanted['steps']} are fewer.",
            "Resume with the same number or more.",
        )
    kept = {name: recorded[name] for name in TrainConfig.model_fields if name in recorded}
    own = {name: getattr(config, name) for name in config.model_fields_set & NOT_RESULT}
    merged = kept | {name: value for name, value in own.items() if value is not None}
    if merged.get("batch_images") is not None:
        merged["batch_tokens"] = None
    merged["expansion"] = None
    return TrainConfig(**merged)


def _resolved(config: TrainConfig, run: Run) -> dict[str, Any]:
    """Return a configuration's values as `config.json` would record them for a run; None stands for no wish."""
    values = config.model_dump(mode="json")
    if config.expansion is not None:
        values["expansion"] = count_latents(run.record["d_model"], config.expansion) / run.record["d_model"]
    if config.precision == "auto":
        values["precision"] = None
    return values


def _check_same(path: object, name: str, wanted: Any, recorded: Any) -> None:
    if isinstance(wanted, dict) and isinstance(recorded, dict):
        same = {key: str(value) for key, value in wanted.items()} == {k: str(v) for k, v in recorded.items()}
    else:
        same = wanted == recorded or wanted is None
    if not same:
        raise CytosaeError(
            f"The run {path} was started with {name} = {recorded!r}, now {name} = {wanted!r} is asked for.",
            "Resume with the same configuration, or start afresh with --force.",
        )
