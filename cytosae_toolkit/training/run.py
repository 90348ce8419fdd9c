"""The run folder: everything that makes a trained SAE usable again, in documented formats without pickles.

::

    config.json            configuration, where each value came from, plugins, backbone, software
    images.csv             the image table with the column `split` (train / held-out)
    sae.safetensors        W_enc [d_model, d_sae], b_enc, W_dec [d_sae, d_model], b_dec
    metrics.csv            one row per logged step
    evaluation.json        metrics at the end of training
    state/step-00001000/   state.safetensors and part.json: all that a bit-exact resume needs
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import read_json

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.interfaces.sae import SparseAutoencoder

FORMAT = "cytosae-run"
VERSION = 1


class Run:
    """A run folder, opened.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    CytosaeError
        If it is no run folder or of a format version that this program does not know.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not (self.path / "config.json").is_file():
            raise CytosaeError(f"{self.path} is not a run: it has no config.json.", "Name a folder made by train.")
        if not is_run(self.path):
            raise CytosaeError(
                f"{self.path} is not a run of cytosae-toolkit: its config.json is something else's.",
                "Name a folder made by train.",
            )
        self.record: dict[str, Any] = read_json(self.path / "config.json")
        if self.record.get("version") != VERSION:
            raise CytosaeError(
                f"{self.path} has format version {self.record.get('version')}, this program reads {VERSION}.",
                "Install the version of cytosae-toolkit that wrote it.",
            )

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, JSON-compatible."""
        config: dict[str, Any] = self.record["config"]
        return config

    @property
    def layer(self) -> int:
        """0-based index of the block whose tokens the SAE was trained on."""
        return int(self.record["backbone"]["layer"])

    @property
    def completed(self) -> bool:
        """Whether training ran to its end; `evaluation.json` is written last."""
        return all((self.path / name).is_file() for name in ("sae.safetensors", "evaluation.json"))

    @property
    def demonstration(self) -> bool:
        """Whether a demonstration backbone made the tokens: good for trials, not for results."""
        return bool(self.record["backbone"].get("demonstration"))

    @property
    def imported(self) -> bool:
        """Whether the SAE was trained elsewhere; then there are no images, no metrics and no state."""
        return "imported_from" in self.record

    @cached_property
    def sae(self) -> SparseAutoencoder:
        """The trained SAE in evaluation mode, on the CPU.

        Raises
        ------
        CytosaeError
            If training was not completed, the plugin is missing, or the weights are damaged.
        """
        if not self.completed:
            raise CytosaeError(f"The run {self.path} is not finished.", "Go on with: train … --resume.")
        sae = create_from_record(self.record)
        load_weights(sae, self.path / "sae.safetensors")
        return sae.eval()

    def backbone(self, *, device: str = "auto", offline: bool = False) -> Backbone:
        """Create the backbone that the run was trained with.

        Raises
        ------
        CytosaeError
            If its plugin or weights are missing, or its fingerprint is another.
        """
        from cytosae_toolkit.plugins import build_backbone, registry

        part, options = registry().from_record(self.record["plugins"]["backbone"])
        backbone = build_backbone(part, options, device=device, offline=offline)
        expected = self.record["backbone"]["fingerprint"]
        if expected and backbone.fingerprint != expected:
            raise CytosaeError(
                f"The backbone {part.name} has the fingerprint {backbone.fingerprint[:12]}, but the run "
                f"{self.path} was trained on tokens of {expected[:12]}: its weights or preprocessing differ.",
                "Put the weights back that it was trained with.",
            )
        return backbone

    @property
    def own_token_store(self) -> Path | None:
        """The token store that it was trained on, unless it is gone."""
        from cytosae_toolkit.tokens import is_token_store

        recorded = self.record.get("token_store")
        return Path(recorded) if recorded and is_token_store(Path(recorded)) else None

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """`metrics.csv`, one row per logged step.

        Raises
        ------
        CytosaeError
            If nothing was logged, as in an imported run.
        """
        import pandas as pd

        if not (self.path / "metrics.csv").is_file():
            raise CytosaeError(f"The run {self.path} has no metrics.csv: nothing was logged.")
        return pd.read_csv(self.path / "metrics.csv")

    @property
    def evaluation(self) -> dict[str, Any]:
        """`evaluation.json`: metrics on training and held-out images."""
        evaluation: dict[str, Any] = read_json(self.path / "evaluation.json")
        return evaluation

    def __repr__(self) -> str:
        """Show the path."""
        return f"Run({str(self.path)!r})"


def is_run(path: Path) -> bool:
    """Return whether a folder is a run of cytosae-toolkit, of whatever version: many programs have a config.json."""
    try:
        record = read_json(path / "config.json")
    except (CytosaeError, OSError):
        return False
    return isinstance(record, dict) and record.get("format") == FORMAT


def load_run(path: str | Path) -> Run:
    """Open a run folder.

    Parameters
    ----------
    path : str or Path
        The folder that `train` or `import-checkpoint` wrote.
    """
    return Run(Path(path))


def create_from_record(record: dict[str, Any]) -> SparseAutoencoder:
    """Create the (untrained) SAE that a run's `config.json` describes."""
    from cytosae_toolkit.plugins import build_sae, registry

    part, options = registry().from_record(record["plugins"]["sae"])
    return build_sae(part, record["d_model"], record["d_sae"], options)


def load_weights(sae: SparseAutoencoder, path: Path) -> None:
    """Load `sae.safetensors` into an SAE, or say in one sentence why not."""
    from cytosae_toolkit import safe_load

    safe_load.fill_model(sae, safe_load.load_weights(path), str(path))
