"""Where the released model file is."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from recognizer.errors import ModelError


def default_model_path() -> Path:
    """Path of the model named in ``models/released/default.txt``.

    Raises
    ------
    ModelError
        When the installation has no released model, or names one that is not there.
    """
    try:
        folder = Path(str(files("models") / "released"))
        name = (folder / "default.txt").read_text(encoding="utf-8").strip()
    except (ModuleNotFoundError, OSError) as error:
        raise ModelError(
            f"no released model in this installation ({error}); reinstall, or name a model file with --model"
        ) from error
    path = folder / name
    if not name or Path(name).name != name or not path.is_file():
        raise ModelError(
            f"{folder / 'default.txt'} names {name!r}, which is no file beside it; "
            "reinstall, or name a model file with --model"
        )
    return path


def baseline_model_path() -> Path:
    """Path of the untrained baseline, v0, which ships beside every released model.

    Raises
    ------
    ModelError
        When the installation does not have it.
    """
    folder = default_model_path().parent
    found = sorted(folder.glob("v0-*.onnx"))
    if len(found) != 1:
        raise ModelError(f"{folder} holds {len(found)} baseline models (v0-*.onnx), expected one; reinstall")
    return found[0]
