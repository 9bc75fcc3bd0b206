"""Write the released file of model v0, its card and its golden outputs; the same sources give the same bytes."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from models.baseline.card import read_figures, write_card
from models.baseline.golden import write_golden
from models.baseline.model import NAME, build, contract

MAX_BYTES = 12 * 1024 * 1024


def export(folder: Path, golden: Path | None = None) -> Path:
    """Write the model into ``folder``, replacing an earlier export of it.

    Parameters
    ----------
    folder : Path
        Gets ``<name>-<first 8 of the SHA-256>.onnx``, the ``.md`` card beside it, and
        ``default.txt`` naming the model unless that names another one.
    golden : Path, optional
        Folder for ``<name>.npz``: an input and what the model makes of it here.

    Returns
    -------
    Path
        The model file.
    """
    blob = build().SerializeToString(deterministic=True)
    if len(blob) > MAX_BYTES:
        raise ValueError(f"the model has {len(blob)} bytes, expected at most {MAX_BYTES}")
    sha256 = hashlib.sha256(blob).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob(f"{NAME}-????????.*"):
        earlier.unlink()
    path = folder / f"{NAME}-{sha256[:8]}.onnx"
    path.write_bytes(blob)
    card = write_card(path.name, sha256, len(blob), contract(), read_figures())
    path.with_suffix(".md").write_text(card, encoding="utf-8")
    default = folder / "default.txt"
    if not default.exists() or default.read_text(encoding="utf-8").startswith(f"{NAME}-"):
        default.write_text(path.name + "\n", encoding="utf-8")
    if golden is not None:
        write_golden(path, golden / f"{NAME}.npz")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m models.baseline.export", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of released models")
    parser.add_argument("--golden", type=Path, help="folder for the golden outputs (tests/golden)")
    options = parser.parse_args(arguments)
    print(export(options.out, options.golden))
    return 0


if __name__ == "__main__":
    sys.exit(main())
