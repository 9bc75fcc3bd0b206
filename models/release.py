"""Release a trained network: ``python -m models.release MODEL.onnx --about CARD.md --out models/released``.

Puts the file beside the other released ones under ``<name>-<first 8 of its identity>.onnx``, writes its card (what the
person who trained it says about it, between the file's identity and its contract) and its golden outputs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path

from models.baseline.golden import write_golden
from recognizer.contract import ModelContract
from recognizer.embedder import Embedder

_CARD = """# {name}

| | |
|---|---|
| file | `{file}` ({megabytes:.1f} MB, one file, no external data) |
| identity | `{model_id}` (of the network, its calibration left out: catalogues keep this) |
| SHA-256 of the file | `{sha256}` |
| calibration | {calibrated} |

{about}

## Contract

```json
{contract}
```
"""


def release(model: Path, about: str, folder: Path, golden: Path | None, default: bool) -> Path:
    """Copy a model file into ``folder`` under its name and write what belongs beside it.

    Parameters
    ----------
    model : Path
        An exported, usually calibrated, model file.
    about : str
        Markdown that goes onto the card.
    golden : Path or None
        Folder for ``<name>.npz``, an input and what the model makes of it here.
    default : bool
        Whether programs use this model from now on when none is named.

    Returns
    -------
    Path
        The released file.
    """
    embedder = Embedder(model)
    name = embedder.contract.name
    blob = model.read_bytes()
    path = folder / file_name(embedder)
    for earlier in folder.glob(f"{name}-????????.*"):
        earlier.unlink()
    path.write_bytes(blob)
    path.with_suffix(".md").write_text(
        card(path.name, blob, embedder.model_id, embedder.contract, about), encoding="utf-8"
    )
    if golden is not None:
        write_golden(path, golden / f"{name}.npz")
    if default:
        (folder / "default.txt").write_text(path.name + "\n", encoding="utf-8")
    return path


def file_name(embedder: Embedder) -> str:
    """What a model's file is called: its name and the first eight digits of its identity."""
    return f"{embedder.contract.name}-{embedder.model_id.removeprefix('sha256:')[:8]}.onnx"


def card(file: str, blob: bytes, model_id: str, contract: ModelContract, about: str) -> str:
    """The card's Markdown."""
    return _CARD.format(
        name=contract.name,
        file=file,
        megabytes=len(blob) / 1e6,
        model_id=model_id,
        sha256=hashlib.sha256(blob).hexdigest(),
        calibrated="fitted, see below" if contract.calibration else "none",
        about=about.strip(),
        contract=_lists_in_a_line(json.dumps(json.loads(contract.to_json()), indent=2, sort_keys=True)),
    )


def _lists_in_a_line(text: str) -> str:
    """JSON for people, with each list of numbers in one line."""
    return re.sub(
        r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()).replace("[ ", "[").replace(" ]", "]"), text
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m models.release", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--about", type=Path, required=True, help="Markdown for the card: data, figures, failures")
    parser.add_argument("--out", type=Path, required=True, help="folder of released models")
    parser.add_argument("--golden", type=Path, help="folder for the golden outputs (tests/golden)")
    parser.add_argument("--default", action="store_true", help="programs use it when no model is named")
    options = parser.parse_args(arguments)
    about = options.about.read_text(encoding="utf-8")
    print(release(options.model, about, options.out, options.golden, options.default))
    return 0


if __name__ == "__main__":
    sys.exit(main())
