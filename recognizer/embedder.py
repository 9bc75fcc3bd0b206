"""Runs a released model: one batched onnxruntime call for the steps of many feeds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime

from recognizer import calibration
from recognizer.contract import METADATA_KEY, ModelContract
from recognizer.errors import ModelError
from recognizer.onnx_guard import refuse_external_data
from recognizer.step import Floats, StepInput, StepOutput

MAX_MODEL_BYTES = 64 * 1024 * 1024
MAX_BATCH = 64  # steps in one call: bounds the memory of the runtime's arena, far past where batching pays
MAX_STEP_S = 30.0
MAX_WINDOW_FRAMES = 65_536
MAX_WIDTH = 4_096

_INPUT_RANKS = {"pcm": 2, "past": 3}
_OUTPUT_RANKS = {"features": 3, "pitch": 3, "embedding": 2}
_RECENT_RANKS = {"recent": 2}  # only of models whose contract has it


class Embedder:
    """A model file, checked and loaded.

    Parameters
    ----------
    path : Path
        The ONNX file; treated as hostile until it has passed every check.
    threads : int
        Threads inside one call; 1 lets several workers share a machine without fighting for cores.

    Attributes
    ----------
    contract : ModelContract
        What the model expects and returns.
    model_id : str
        ``sha256:`` and the hexadecimal hash of the file without its calibration, which changes no vector.

    Raises
    ------
    ModelError
        When the file cannot be read, is too large, keeps weights elsewhere, is not a model, has no contract, or does
        not do what its contract says.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        blob = _read(path)
        try:
            refuse_external_data(blob)
            network, numbers = calibration.split(blob)
            self._session = _load(network, threads)
            self.contract = _contract(self._session)
            if numbers is not None:
                self.contract = replace(self.contract, calibration=calibration.parsed(numbers))
            ranks = _output_ranks(self.contract)
            _check_signature(self._session, self.contract, ranks)
            self._outputs = tuple(ranks)
            self.model_id = f"sha256:{hashlib.sha256(network).hexdigest()}"
            self._probe()
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error

    def run(self, steps: Sequence[StepInput]) -> list[StepOutput]:
        """Embed steps of any number of feeds.

        Parameters
        ----------
        steps : sequence of StepInput
            All with the same number of frames in ``past``: normally ``past_frames``, for one step of audio each; with
            fewer, ``pcm`` holds as many more steps as fill the window. PCM is clipped to [-1, 1]; samples
            that are not finite count as silence.

        Returns
        -------
        list of StepOutput
            In the order of ``steps``; a step's output does not depend on its neighbours in the batch.

        Raises
        ------
        ValueError
            When a step's arrays do not have the contract's shapes.
        ModelError
            When the model fails or returns numbers that are not finite.
        """
        outputs: list[StepOutput] = []
        for first in range(0, len(steps), MAX_BATCH):
            outputs.extend(self._run_batch(steps[first : first + MAX_BATCH]))
        return outputs

    def _run_batch(self, steps: Sequence[StepInput]) -> list[StepOutput]:
        new_steps = self._new_steps(steps[0])
        pcm_shape, past_shape = self._shapes(new_steps)
        for step in steps:
            if step.pcm.shape != pcm_shape or step.past.shape != past_shape:
                raise ValueError(
                    f"step has pcm {step.pcm.shape} and past {step.past.shape}, expected {pcm_shape} and {past_shape}"
                )
        outputs = self._call(_tame(np.stack([step.pcm for step in steps])), np.stack([step.past for step in steps]))
        return [StepOutput(*(output[i] for output in outputs)) for i in range(len(steps))]

    def _new_steps(self, step: StepInput) -> int:
        """How many steps of audio complete the window of ``step``'s past."""
        contract = self.contract
        missing = contract.window_frames - len(step.past)
        if missing < contract.frames_per_step or missing % contract.frames_per_step:
            raise ValueError(
                f"past has {len(step.past)} frames, expected {contract.past_frames}, "
                f"or fewer by a multiple of {contract.frames_per_step}"
            )
        return missing // contract.frames_per_step

    def _shapes(self, new_steps: int) -> tuple[tuple[int], tuple[int, int]]:
        contract = self.contract
        samples = 2 * contract.context_samples + new_steps * contract.step_samples
        return (samples,), (
            contract.window_frames - new_steps * contract.frames_per_step,
            contract.feature_dim,
        )

    def _call(self, pcm: Floats, past: Floats) -> list[Floats]:
        past = np.nan_to_num(past.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0)
        try:
            outputs: list[Floats] = self._session.run(self._outputs, {"pcm": pcm, "past": past})
        except Exception as error:  # onnxruntime's exceptions share no public base
            raise ModelError(f"the model failed on its input ({error}); use a released model") from error
        for name, output in zip(self._outputs, outputs, strict=True):
            if not np.isfinite(output).all():
                raise ModelError(f"the model returned numbers in {name!r} that are not finite; use a released model")
        return outputs

    def _probe(self) -> None:
        """Run one silent step, so that a model which breaks its contract is refused before it is used."""
        contract = self.contract
        pcm_shape, past_shape = self._shapes(1)
        outputs = self._call(np.zeros((1, *pcm_shape), np.float32), np.zeros((1, *past_shape), np.float32))
        shapes = {
            "features": (1, contract.frames_per_step, contract.feature_dim),
            "pitch": (1, contract.pitch_frames_per_step, contract.pitch_bins),
            "embedding": (1, contract.dimension),
            "recent": (1, contract.dimension),
        }
        for name, output in zip(self._outputs, outputs, strict=True):
            shape = shapes[name]
            if output.shape != shape:
                raise ModelError(
                    f"output {name!r} of one step has shape {output.shape}, its contract says {shape}; "
                    "use a released model"
                )


def _tame(pcm: Floats) -> Floats:
    """PCM in [-1, 1] without NaN or infinity."""
    finite = np.nan_to_num(pcm.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(finite, -1.0, 1.0)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            blob = file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise ModelError(f"cannot read the model {path} ({error.strerror}); name an existing .onnx file") from error
    if len(blob) > MAX_MODEL_BYTES:
        raise ModelError(
            f"{path}: larger than {MAX_MODEL_BYTES >> 20} MiB, the limit for a model; use a released model"
        )
    return blob


def _load(blob: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    # A waiting thread must not burn a core that another feed could use.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no public base
        raise ModelError(f"onnxruntime refuses the model ({error}); use a released model") from error


def _contract(session: onnxruntime.InferenceSession) -> ModelContract:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ModelError(f"the model's metadata has no {METADATA_KEY!r}; use a model exported for this program")
    contract = ModelContract.from_json(text)
    too_large = {
        "step_samples": contract.step_s > MAX_STEP_S,
        "window_steps": contract.window_frames > MAX_WINDOW_FRAMES,
        "feature_dim": contract.feature_dim > MAX_WIDTH,
        "pitch_frames_per_step": contract.pitch_frames_per_step > MAX_WIDTH,
        "pitch_bins": contract.pitch_bins > MAX_WIDTH,
        "dimension": contract.dimension > MAX_WIDTH,
    }
    for name, seen in too_large.items():
        if seen:
            raise ModelError(f"model contract: {name} is beyond what this program serves; use a released model")
    return contract


def _output_ranks(contract: ModelContract) -> dict[str, int]:
    """Outputs that a model of this contract has, in the order of `StepOutput`, with their ranks."""
    return _OUTPUT_RANKS | (_RECENT_RANKS if contract.recent_steps else {})


def _check_signature(
    session: onnxruntime.InferenceSession, contract: ModelContract, output_ranks: dict[str, int]
) -> None:
    widths = {
        "past": contract.feature_dim,
        "features": contract.feature_dim,
        "pitch": contract.pitch_bins,
        "embedding": contract.dimension,
        "recent": contract.dimension,
    }
    for side, nodes, ranks in (
        ("inputs", session.get_inputs(), _INPUT_RANKS),
        ("outputs", session.get_outputs(), output_ranks),
    ):
        names = {node.name for node in nodes}
        if names != set(ranks):
            raise ModelError(f"the model's {side} are {sorted(names)}, expected {sorted(ranks)}; use a released model")
        for node in nodes:
            width = node.shape[-1] if node.shape else None
            wrong_width = isinstance(width, int) and width != widths.get(node.name, width)
            if node.type != "tensor(float)" or len(node.shape) != ranks[node.name] or wrong_width:
                raise ModelError(
                    f"{node.name!r} is {node.type} {node.shape}, expected float of rank {ranks[node.name]} "
                    f"and last dimension {widths.get(node.name, 'free')}; use a released model"
                )
