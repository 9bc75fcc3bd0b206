"""Splits chained Ogg: radios start a new chain link, perhaps at another rate, with every song.

FFmpeg's demuxer gives up when a link changes rate or channels, so each link gets a demuxer of its own::

    pages   BOS  head  audio audio EOS | BOS  head  audio …
            '--------- link 1 --------' '----- link 2 ----
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

CAPTURE = b"OggS"
_HEADER_BYTES = 27
_FLAGS_AT = 5
_SEGMENTS_AT = 26
_FIRST_PAGE = 0x02  # header flag: beginning of a logical stream


class OggLink:
    """The bytes of one link as an unseekable file; reading past its end gives ``b""``."""

    def __init__(self, pages: _Pages) -> None:
        self._pages = pages
        self._rest = b""
        self._audio_began = False
        self._ended = False

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, fewer when a page ends sooner."""
        if not self._rest and not self._ended:
            self._rest = self._next()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _next(self) -> bytes:
        page = self._pages.take()
        starts = _is_page(page) and bool(page[_FLAGS_AT] & _FIRST_PAGE)
        # All streams of a link announce themselves before the first other page.
        if not page or (starts and self._audio_began):
            self._pages.give_back(page)
            self._ended = True
            return b""
        self._audio_began = self._audio_began or not starts
        return page

    def skip(self) -> None:
        """Drop what is left of the link."""
        self._rest = b""
        while not self._ended:
            self._next()


def links(read: Callable[[int], bytes]) -> Iterator[OggLink]:
    """The links of a chained Ogg body, each to be read before the next is asked for.

    Parameters
    ----------
    read : callable
        Returns at most the given number of bytes, and ``b""`` at the end.
    """
    pages = _Pages(read)
    while pages.more():
        link = OggLink(pages)
        yield link
        link.skip()


class _Pages:
    """Whole pages in order; bytes that belong to no page come as they are."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._buffer = b""
        self._returned = b""

    def more(self) -> bool:
        return bool(self._returned) or self._fill(1)

    def give_back(self, page: bytes) -> None:
        self._returned = page

    def take(self) -> bytes:
        if self._returned:
            page, self._returned = self._returned, b""
            return page
        if not self._fill(_HEADER_BYTES):
            return self._cut(len(self._buffer))
        if not self._buffer.startswith(CAPTURE):
            behind = self._buffer.find(CAPTURE, 1)
            return self._cut(behind if behind > 0 else max(1, len(self._buffer) - len(CAPTURE) + 1))
        body_at = _HEADER_BYTES + self._buffer[_SEGMENTS_AT]
        self._fill(body_at)
        size = body_at + sum(self._buffer[_HEADER_BYTES:body_at])
        self._fill(size)
        return self._cut(size)

    def _fill(self, size: int) -> bool:
        """Read until ``size`` bytes are held; ``False`` when the body ends before."""
        while len(self._buffer) < size:
            data = self._read(65_536)
            if not data:
                return False
            self._buffer += data
        return True

    def _cut(self, size: int) -> bytes:
        page, self._buffer = self._buffer[:size], self._buffer[size:]
        return page


def _is_page(data: bytes) -> bool:
    return len(data) >= _HEADER_BYTES and data.startswith(CAPTURE)
