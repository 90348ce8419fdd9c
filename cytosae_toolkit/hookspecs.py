"""What a plugin may provide: the hook specifications.

A plugin is a module (or any object) registered under the entry-point group ``cytosae_toolkit``. It implements one or
more of these hooks with the marker `hookimpl`::

    from cytosae_toolkit.hookspecs import hookimpl

Hooks are called one plugin at a time; a plugin that raises is reported and the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

from cytosae_toolkit.interfaces.specs import AggregatorSpec, BackboneSpec, SAESpec

if TYPE_CHECKING:
    from cytosae_toolkit.training.events import TrainingEvent

PROJECT = "cytosae_toolkit"
"""Name of the pluggy project and of the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def cytosae_backbones() -> Iterable[BackboneSpec]:  # type: ignore[empty-body]
    """Provide backbones.

    Returns
    -------
    iterable of BackboneSpec
        The factory of each is called as ``factory(options, *, device, offline)``, where `options` is an instance of
        the spec's options model, `device` a torch device name such as ``"cpu"`` or ``"cuda:0"``, and `offline` forbids
        downloads; it returns a `cytosae_toolkit.interfaces.backbone.Backbone`.

    Examples
    --------
    ::

        @hookimpl
        def cytosae_backbones():
            return [
                BackboneSpec(
                    name="my-vit",
                    summary="Our lab's ViT-S, trained on bone marrow.",
                    factory="my_package.backbone:build",
                    options=MyOptions,
                    api=(1, 0),
                    weights_license="CC-BY-4.0",
                )
            ]
    """


@hookspec
def cytosae_saes() -> Iterable[SAESpec]:  # type: ignore[empty-body]
    """Provide variants of sparse autoencoder.

    Returns
    -------
    iterable of SAESpec
        The factory of each is called as ``factory(d_model, d_sae, options)`` and returns a
        `cytosae_toolkit.interfaces.sae.SparseAutoencoder`.

    Examples
    --------
    ::

        @hookimpl
        def cytosae_saes():
            return [
                SAESpec(
                    name="jump-relu",
                    summary="JumpReLU with a learned threshold per latent.",
                    factory="my_package.jump_relu:build",
                    options=JumpReLUOptions,
                    api=(1, 0),
                )
            ]
    """


@hookspec
def cytosae_aggregators() -> Iterable[AggregatorSpec]:  # type: ignore[empty-body]
    """Provide rules from patch activations to one value per latent of an image.

    Returns
    -------
    iterable of AggregatorSpec
        The factory of each is called as ``factory(options)`` and returns a
        `cytosae_toolkit.interfaces.aggregator.Aggregator`.

    Examples
    --------
    ::

        @hookimpl
        def cytosae_aggregators():
            return [
                AggregatorSpec(
                    name="share",
                    summary="Share of patches above the threshold.",
                    factory="my_package.share:build",
                    options=ShareOptions,
                    api=(1, 0),
                )
            ]
    """


@hookspec
def cytosae_training_event(event: TrainingEvent) -> None:
    """Be told how training goes: for loggers such as TensorBoard, W&B or MLflow.

    Parameters
    ----------
    event : TrainingEvent
        One of `Started`, `Stepped`, `Checkpointed` or `Ended` of `cytosae_toolkit.training.events`. A logger that
        raises is reported once and not called again in this run; training goes on.

    Examples
    --------
    ::

        @hookimpl
        def cytosae_training_event(event):
            if isinstance(event, Stepped):
                print(event.step, event.metrics["loss"])
    """
