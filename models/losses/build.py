"""Choose a loss by name; one place, so that a configuration cannot name one that does not exist."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from models.losses.angular import AngularMargin
from models.losses.clews import Clews
from models.losses.contrastive import SupervisedContrastive
from models.losses.softmax import WorkSoftmax
from models.losses.triplet import SemiHardTriplet
from models.settings import Data, Loss, Net, SettingsError

KINDS = ("contrastive", "triplet", "softmax", "angular", "clews")


def build_loss(settings: Loss, data: Data, net: Net, works: Callable[[], int]) -> nn.Module:
    """The loss of a configuration; ``works`` counts the classes, if the loss has any.

    Raises
    ------
    SettingsError
        When the name is unknown, or the loss cannot use batches of this shape.
    """
    if settings.kind not in KINDS:
        raise SettingsError(f"loss.kind is {settings.kind!r}, expected one of {', '.join(map(repr, KINDS))}")
    if settings.kind in ("contrastive", "triplet") and data.windows > 1:
        raise SettingsError(
            f"data.windows is {data.windows}, but {settings.kind!r} would take any two windows of a work for the same "
            "passage; use 1, or loss.kind = 'clews'"
        )
    if settings.kind == "contrastive":
        return SupervisedContrastive(settings.temperature, settings.memory, net.dimension)
    if settings.kind == "triplet":
        return SemiHardTriplet(settings.margin)
    if settings.kind == "softmax":
        return WorkSoftmax(works(), net.hidden)
    if settings.kind == "angular":
        return AngularMargin(works(), net.dimension, settings.scale, settings.margin, settings.angle, settings.grow)
    try:
        return Clews(data.windows, settings.pairs, settings.gamma, settings.epsilon)
    except ValueError as error:
        raise SettingsError(f"loss.pairs: {error}") from error


def reads_features(loss: nn.Module) -> bool:
    """Whether a loss stands on the features below the embedding layer rather than on embeddings."""
    return bool(getattr(loss, "on_features", False))
