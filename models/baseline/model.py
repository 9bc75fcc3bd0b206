"""The whole graph of model v0, from PCM to embedding, with its contract in the metadata."""

from __future__ import annotations

from onnx import ModelProto

from models.baseline.chroma import chroma
from models.baseline.embedding import embedding, kept_frequencies
from models.baseline.front_end import constant_q
from models.baseline.graph import GraphBuilder
from models.baseline.plan import (
    FRAMES_PER_STEP,
    INDEX_HOP_STEPS,
    PITCH_CLASSES,
    SAMPLE_RATE_HZ,
    STEP_SAMPLES,
    WINDOW_STEPS,
    context_samples,
)
from recognizer.contract import METADATA_KEY, ModelContract

NAME = "v0-2dftm"


def contract() -> ModelContract:
    """The contract of model v0."""
    return ModelContract(
        name=NAME,
        sample_rate_hz=SAMPLE_RATE_HZ,
        step_samples=STEP_SAMPLES,
        context_samples=context_samples(),
        window_steps=WINDOW_STEPS,
        index_hop_steps=INDEX_HOP_STEPS,
        frames_per_step=FRAMES_PER_STEP,
        feature_dim=PITCH_CLASSES,
        pitch_frames_per_step=FRAMES_PER_STEP,
        pitch_bins=PITCH_CLASSES,
        dimension=len(kept_frequencies()),
        calibration={},
    )


def build() -> ModelProto:
    """The model; the same numbers in give the same bytes out."""
    shape = contract()
    graph = GraphBuilder()
    signal = graph.op("Unsqueeze", "pcm", graph.constant([1]))
    magnitudes = constant_q(graph, signal, shape.context_samples)
    graph.op("Identity", chroma(graph, magnitudes), name="features")
    graph.op("Identity", "features", name="pitch")
    window = graph.op("Concat", "past", "features", axis=1)
    embedding(graph, window)
    return graph.model(
        NAME,
        inputs={"pcm": ["batch", "samples"], "past": ["batch", "past_frames", shape.feature_dim]},
        outputs={
            "features": ["batch", "frames", shape.feature_dim],
            "pitch": ["batch", "frames", shape.pitch_bins],
            "embedding": ["batch", shape.dimension],
        },
        metadata={METADATA_KEY: shape.to_json()},
    )
