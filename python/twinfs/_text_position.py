"""Positions in decoded text: from a number of characters back to bytes and the decoder's state.

The algorithm is that of `io.TextIOWrapper.tell`, as `_pyio` in the standard library spells it out.
"""

from __future__ import annotations

import codecs
import io
from collections import deque
from typing import NamedTuple, TypeAlias

Decoder: TypeAlias = codecs.IncrementalDecoder | io.IncrementalNewlineDecoder

_64_BITS = (1 << 64) - 1


class Place(NamedTuple):
    """A position in text: where to begin to decode, in which state, and how far to go."""

    #: Bytes from the start of the file, at the border of a character.
    start: int
    #: The decoder's state there.
    flags: int = 0
    #: Bytes to decode from there on.
    feed: int = 0
    #: Characters of these that lie before the position.
    skip: int = 0
    #: Whether the decoder was told that the file ends after these bytes.
    at_end: bool = False

    def number(self) -> int:
        """The place as one number; without state it is that of the bytes."""
        # The flags come last: with some codecs they have more than 64 bits.
        return (
            self.start
            | self.feed << 64
            | self.skip << 128
            | int(self.at_end) << 192
            | self.flags << 193
        )

    @classmethod
    def of_number(cls, number: int) -> Place:
        """The place that has this number."""
        return cls(
            start=number & _64_BITS,
            feed=number >> 64 & _64_BITS,
            skip=number >> 128 & _64_BITS,
            at_end=bool(number >> 192 & 1),
            flags=number >> 193,
        )


class _Block(NamedTuple):
    """Bytes that were decoded, with those that the decoder had held back before them."""

    start: int
    flags: int
    data: bytes
    final: bool
    #: How many characters came of them.
    characters: int


class Decoded:
    """The blocks of bytes that the text at hand came from."""

    def __init__(self) -> None:
        self._blocks: deque[_Block] = deque()
        self._characters = 0
        #: Whether the decoder has a state that matters to the position.
        self._stateful = False

    def add(
        self,
        start: int,
        state: tuple[bytes, int],
        block: bytes,
        *,
        final: bool,
        characters: int,
        unread: int,
    ) -> None:
        """A block at an offset was decoded from a state; `unread` characters lie before it."""
        held_back, flags = state
        self._forget_read(unread)
        self._blocks.append(
            _Block(start - len(held_back), flags, held_back + block, final, characters)
        )
        self._characters += characters
        self._stateful = True

    def _forget_read(self, unread: int) -> None:
        while self._blocks and self._characters - self._blocks[0].characters >= unread:
            self._characters -= self._blocks.popleft().characters

    def all_read(self) -> None:
        """No character is unread: the blocks are needed no longer."""
        self._blocks.clear()
        self._characters = 0

    def clear(self) -> None:
        """Nothing is decoded any more, and the decoder was reset."""
        self.all_read()
        self._stateful = False

    def begin(self) -> None:
        """The decoder was put into a state that matters."""
        self._stateful = True

    def place(self, decoder: Decoder, position: int, unread: int) -> Place:
        """The place before the last `unread` characters; `position` is that of the bytes."""
        if not self._stateful:
            return Place(position)
        state = decoder.getstate()
        if unread == 0:
            held_back, flags = state
            return Place(position - len(held_back), flags)
        self._forget_read(unread)
        try:
            return _within(decoder, self._blocks[0], self._characters - unread)
        finally:
            decoder.setstate(state)


def _within(decoder: Decoder, block: _Block, characters: int) -> Place:
    """The place behind so many characters of a block, of which there are more."""
    if characters == 0:
        return Place(block.start, block.flags)
    place, skip, rest = Place(block.start, block.flags), characters, block
    # Where characters differ in length, a guess leads only so near.
    while skip:
        nearer = _guess(decoder, rest, skip)
        if nearer.start == place.start:
            break
        rest = rest._replace(
            start=nearer.start,
            flags=nearer.flags,
            data=rest.data[nearer.start - place.start :],
            characters=rest.characters - nearer.skip,
        )
        place, skip = nearer._replace(skip=0), skip - nearer.skip
    if skip == 0:
        return place
    decoder.setstate((b"", place.flags))
    feed = decoded = 0
    at_end = block.final
    for offset in range(place.start - block.start, len(block.data)):
        feed += 1
        decoded += len(decoder.decode(block.data[offset : offset + 1]))
        held_back, flags = decoder.getstate()
        if not held_back and decoded <= skip:
            # Nothing is held back: decoding may begin here.
            place, skip = Place(place.start + feed, flags), skip - decoded
            feed = decoded = 0
        if decoded >= skip:
            at_end = False
            break
    return place._replace(feed=feed, skip=skip, at_end=at_end)


def _guess(decoder: Decoder, block: _Block, characters: int) -> Place:
    """A place at or before so many characters, near them; its `skip` is how many it is behind."""
    count = len(block.data) * characters // max(block.characters, 1)
    back = 1
    while count > 0:
        decoder.setstate((b"", block.flags))
        seen = len(decoder.decode(block.data[:count]))
        if seen <= characters:
            held_back, flags = decoder.getstate()
            if not held_back:
                return Place(block.start + count, flags, skip=seen)
            count -= len(held_back)
            back = 1
        else:
            count -= back
            back *= 2
    return Place(block.start, block.flags)
