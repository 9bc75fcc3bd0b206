"""Choose a loss by name; one place, so that a configuration cannot name one that does not exist."""

from __future__ import annotations

from torch import nn

from models.losses.contrastive import SupervisedContrastive
from models.losses.softmax import WorkSoftmax
from models.losses.triplet import SemiHardTriplet
from models.settings import Loss, SettingsError


def build_loss(settings: Loss, works: int, dimension: int) -> nn.Module:
    """The loss of a configuration for ``works`` classes.

    Raises
    ------
    SettingsError
        When the name is unknown.
    """
    if settings.kind == "contrastive":
        return SupervisedContrastive(settings.temperature, settings.memory, dimension)
    if settings.kind == "triplet":
        return SemiHardTriplet(settings.margin)
    if settings.kind == "softmax":
        return WorkSoftmax(works, dimension, settings.scale, settings.margin)
    raise SettingsError(f"loss.kind is {settings.kind!r}, expected 'contrastive', 'triplet' or 'softmax'")
