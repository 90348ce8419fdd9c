"""What the backbone sees: tokens are extracted, kept on disk, and handed to whoever learns from them.

==================  ================================================================================
`identity`          what tokens are: backbone, layer, number type; only like tokens share a store
`store`             the token store on disk; `folder`, `shards`, `records` are its files
`compute`           images to tokens, in batches of a fixed shape
`extraction`        fill a store: resumable, in shards
`reader`, `live`    an image set's tokens, from a store or computed on demand
`source`            choose between the two; what the commands call
`batches`           the batch of training step t, a pure function of (tokens, seed, t)
`verify`            check a store against its own digests
==================  ================================================================================
"""

from cytosae_toolkit.tokens.batches import TokenBatches, sample_tokens
from cytosae_toolkit.tokens.compute import TokenComputer
from cytosae_toolkit.tokens.extraction import Extraction, extract, extract_together
from cytosae_toolkit.tokens.folder import is_token_store, refuse_foreign
from cytosae_toolkit.tokens.identity import TokenIdentity
from cytosae_toolkit.tokens.live import LiveView
from cytosae_toolkit.tokens.reader import TokenSet, TokenView, open_view
from cytosae_toolkit.tokens.source import (
    default_store,
    estimate_bytes,
    fill,
    identity_for,
    missing_images,
    token_source,
)
from cytosae_toolkit.tokens.store import TokenStore
from cytosae_toolkit.tokens.verify import Verification, verify_store

__all__ = [
    "Extraction",
    "LiveView",
    "TokenBatches",
    "TokenComputer",
    "TokenIdentity",
    "TokenSet",
    "TokenStore",
    "TokenView",
    "Verification",
    "default_store",
    "estimate_bytes",
    "extract",
    "extract_together",
    "fill",
    "identity_for",
    "is_token_store",
    "missing_images",
    "open_view",
    "refuse_foreign",
    "sample_tokens",
    "token_source",
    "verify_store",
]
