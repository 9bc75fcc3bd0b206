"""``python -m web`` is the ``web`` command."""

from web.cli import main

main()
