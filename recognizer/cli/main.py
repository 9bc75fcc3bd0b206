"""The command ``recognizer``."""

from __future__ import annotations

import os

# One thread per process for matrix products: the parts run side by side, and idle BLAS threads would spin.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import typer  # noqa: E402

from recognizer import __version__  # noqa: E402
from recognizer.cli import common  # noqa: E402
from recognizer.cli.bench import bench  # noqa: E402
from recognizer.cli.demo import demo  # noqa: E402
from recognizer.cli.identify import identify  # noqa: E402
from recognizer.cli.listen import devices, listen  # noqa: E402
from recognizer.cli.up import up  # noqa: E402

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Recognize covers of known songs in files and in live audio, on your own machine.",
)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


for _command in (identify, listen, devices, up, demo, bench):
    app.command()(_command)


def main() -> None:
    """Entry point."""
    common.run_app("recognizer", app)


if __name__ == "__main__":
    main()
