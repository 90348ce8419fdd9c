"""The metrics card of an SAE: how well it reconstructs, what its latents mean, beside baselines.

====================  ==========================================================================
`card`                everything in one document; what ``evaluate --full`` calls
`definitions`         formula and source of every entry
`opening`             run, tokens, untrained SAE and untrained backbone
`features`            the pass over the tokens: image-level activations, embeddings, metrics
`monosemanticity`     do the images that a latent likes look alike?
`label_entropy`       do they carry one label?
`probes`              how few latents tell the classes apart?
`masks`, `localising` do latents lie in structures?
`fidelity`            what does the backbone make of the reconstruction?
`stability`           does another run find the same latents?
====================  ==========================================================================
"""

from cytosae_toolkit.atlas.card.card import full_evaluation

__all__ = ["full_evaluation"]
