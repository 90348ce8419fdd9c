"""Formula and source of every entry of a metrics card: what the numbers are, beside the numbers."""

from __future__ import annotations

CYTOSAE = "Dasdelen et al., CytoSAE, MICCAI 2025, arXiv:2507.12464"

METRICS: dict[str, tuple[str, str]] = {
    "fvu": ("Σ‖x - x̂‖² / Σ‖x - x̄‖² over tokens, x̄ the vector mean", "Gao et al., arXiv:2406.04093"),
    "explained_variance": ("1 - FVU", "Gao et al., arXiv:2406.04093"),
    "fvu_robust": (
        "FVU without the 1 % of tokens with the largest norm and dimensions with more than half of the variance",
        "this program; massive activations: Sun et al., arXiv:2402.17762",
    ),
    "pca_fvu": ("FVU of the k leading principal components of the same tokens, k = L0, at most d_model / 4", "PCA"),
    "l0": ("mean number of latents above 0 per token", CYTOSAE),
    "dead_share_set": ("share of latents that are above 0 on no token of these images", CYTOSAE),
    "shrinkage": ("γ = E‖x̂‖² / E[x·x̂]; 1 means none", "Rajamanoharan et al., arXiv:2404.16014"),
    "density_histogram": ("latents per decade of density, the share of tokens on which a latent is above 0", CYTOSAE),
}

MONOSEMANTICITY = (
    "MS = Σ_{i≠j} a'_i a'_j cos(e_i, e_j) / Σ_{i≠j} a'_i a'_j; a'_i = a_i - min a, a_i = mean activation over the "
    "tokens of image i, e_i its embedding; computed as (‖V'‖² - s2') / (s1'² - s2')",
    "Pach et al., Sparse Autoencoders Learn Monosemantic Features in Vision-Language Models, 2025",
)
LABEL_ENTROPY = (
    "H = -Σ_c p_c ln p_c; p_c = share of mean activation with label c among the 10 images that activate a unit most, "
    "one per group; undefined with fewer",
    CYTOSAE,
)
PROBES = (
    "logistic regression on image-level activations; k-sparse: each class against the rest on the k features with "
    "the largest standardised difference of means, chosen in the training folds, the best score wins; dense: "
    "multinomial on all features; StratifiedGroupKFold, mean ± sd over folds",
    "Gurnee et al., Finding Neurons in a Haystack, arXiv:2305.01610",
)
LOCALISATION = (
    "share inside = Σ h_j c_j / Σ h_j, c_j = share of patch j that the structure covers; area share = mean c_j; "
    "recall = Σ c_j 1(h_j > 0) / Σ c_j; average precision with weight c_j; per structure the unit with the largest "
    "share inside among those active on at least 2 % of patches, chosen on half of the groups, measured on the other",
    "this program",
)
FIDELITY = (
    "mean over images of cos(final embedding of the tokens, final embedding of replaced tokens), all tokens of the "
    "layer replaced",
    "Bricken et al., Towards Monosemanticity, 2023 (loss recovered), for embeddings",
)
STABILITY = (
    "mean over live latents of the largest cosine between decoder rows of two runs; share of one-to-one pairs with a "
    "cosine above 0.7 (Hungarian up to 4,096 live latents, mutual nearest neighbours above)",
    "Paulo and Belrose, Sparse Autoencoders Trained on the Same Data Learn Different Features, arXiv:2501.16615",
)


def entry(definition: tuple[str, str]) -> dict[str, str]:
    """Return a definition as the keys `formula` and `source` of an entry."""
    formula, source = definition
    return {"formula": formula, "source": source}
