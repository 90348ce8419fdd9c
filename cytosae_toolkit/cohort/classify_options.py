"""What a classification is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from cytosae_toolkit.cohort.cross_validation import Settings
from cytosae_toolkit.cohort.features import choose_features
from cytosae_toolkit.cohort.regression import SCALES, STRENGTHS
from cytosae_toolkit.cohort.threshold_sweep import THRESHOLDS
from cytosae_toolkit.errors import CytosaeError, nearest


@dataclass(frozen=True)
class ClassifyOptions:
    """What a classification is asked to do.

    Parameters
    ----------
    target : str
        Column of `obs` to predict.
    min_log10_mean : float
        Latents whose log10 mean activation over the training patients does not exceed it are zeroed; -inf keeps all.
    sweep : bool
        Also score every one of `thresholds`, and a choice among them nested within the training patients.
    thresholds : tuple of float
        Ascending.
    folds, repeats : int
        Of the cross-validation.
    permutations, bootstraps : int
        Of the permutation test and of the intervals; 0 leaves them out.
    seed : int
        Of folds, permutations and bootstraps.
    features : tuple of str, optional
        Baselines beside the barcodes, of `cytosae_toolkit.cohort.features.FEATURES`; None means all there are.
    scale : str
        Of the barcodes: one of `cytosae_toolkit.cohort.regression.SCALES`.
    strength : str or float
        One of `cytosae_toolkit.cohort.regression.STRENGTHS`, or scikit-learn's C.
    min_patients : int, optional
        Leave classes with fewer patients out.
    drivers, images : int
        Latents listed for each patient, and images for each of those.

    Raises
    ------
    CytosaeError
        If one makes no sense.
    """

    target: str = "disease"
    min_log10_mean: float = -3.0
    sweep: bool = False
    thresholds: tuple[float, ...] = THRESHOLDS
    folds: int = 5
    repeats: int = 3
    permutations: int = 200
    bootstraps: int = 1000
    seed: int = 0
    features: tuple[str, ...] | None = None
    scale: str = SCALES[0]
    strength: str | float = STRENGTHS[0]
    min_patients: int | None = None
    drivers: int = 10
    images: int = 3

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        least = {"folds": 2, "repeats": 1, "permutations": 0, "bootstraps": 0, "seed": 0, "drivers": 1, "images": 1}
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise CytosaeError(f"{name} is {getattr(self, name)}: {lowest} is the least.", f"Raise --{name}.")
        if self.scale not in SCALES:
            raise CytosaeError(f"There is no scale {self.scale!r}.", nearest(self.scale, SCALES))
        if isinstance(self.strength, str) and self.strength not in STRENGTHS:
            raise CytosaeError(
                f"{self.strength!r} is no strength.", f"Write {' or '.join(STRENGTHS)}, or a number: scikit-learn's C."
            )
        if not isinstance(self.strength, str) and not 0 < self.strength < float("inf"):
            raise CytosaeError(f"The strength {self.strength:g} is not a positive number.", "Give scikit-learn's C.")
        if not self.thresholds or list(self.thresholds) != sorted(set(self.thresholds)):
            raise CytosaeError("The thresholds of a sweep must ascend.", "Write such as --thresholds=-6,-5,-4.")
        choose_features(self.features)

    @property
    def settings(self) -> Settings:
        """How one model is fitted."""
        return Settings(self.min_log10_mean, self.scale, self.strength)


def parse_strength(text: str) -> str | float:
    """Return a number where the text is one, else the text."""
    try:
        return float(text)
    except ValueError:
        return text
