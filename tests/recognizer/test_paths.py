from __future__ import annotations

from pathlib import Path

import pytest

from recognizer.paths import default_catalogue_dir, default_data_dir


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"RECOGNIZER_DATA_DIR": "/srv/music", "XDG_DATA_HOME": "/x", "HOME": "/home/a"}, "/srv/music"),
        ({"XDG_DATA_HOME": "/x", "HOME": "/home/a"}, "/x/recognizer"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/home/a"}, "/home/a/.local/share/recognizer"),
        ({"HOME": "/home/a"}, "/home/a/.local/share/recognizer"),
    ],
)
def test_the_data_directory_follows_the_environment_that_is_given(environ: dict[str, str], expected: str) -> None:
    assert default_data_dir(environ) == Path(expected)
    assert default_catalogue_dir(environ) == Path(expected) / "catalogue"
