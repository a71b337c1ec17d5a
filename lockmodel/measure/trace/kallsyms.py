"""The kernel's own symbol table (CONFIG_KALLSYMS) -> addresses of its functions and variables.

Source: scripts/kallsyms.c and kernel/kallsyms.c of Linux. Names are packed: each is a length and
that many numbers of tokens. The tables have no names themselves, so they are found by their form:

=============  ============================================================================
token table    256 strings, in which the digits stand for themselves, then where each begins
names          behind their number; as many as it says, then where every 256th begins
addresses      as many 32-bit numbers with a 64-bit base behind them: before the number of
               names (up to Linux 6.3) or behind the tokens (from 6.4 on)
=============  ============================================================================
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lockmodel.errors import ScenarioError

TOKENS = 256
DIGITS = b"".join(bytes((code, 0)) for code in b"0123456789")
MARKED = 256
"""Names per entry of the markers."""
FEWEST, MOST = 1 << 10, 1 << 21
"""Symbols that a kernel may have."""
LARGEST_NAMES = 32 << 20
LONG = 0x80
"""A length of this and more has a second byte, from 6.1 on."""
KERNEL = 0xFFFFFFFF80000000
"""Where kernels lie in the addresses of x86-64."""

TEXT = frozenset("tTwW")
"""Kinds of functions."""

REMEDY = "the symbols of this build cannot be read; give a distribution's kernel"


@dataclass(frozen=True)
class Symbol:
    """A function or variable.

    Attributes
    ----------
    address : int
    kind : str
        As nm has it: t or T in the text, d, D, b, B, r, R in the data.
    name : str
    """

    address: int
    kind: str
    name: str


def symbols(kernel: bytes) -> list[Symbol]:
    """Return the symbols of an unpacked kernel, without those of memory per CPU.

    Raises
    ------
    ScenarioError
        It has none, or in another form.
    """
    tokens, start, end = _tokens(kernel)
    packed = memoryview(kernel)
    first, number = _names_at(packed, start)
    names = list(_names(packed, first, number, tokens))
    found = []
    for address, name in zip(_addresses(packed, first - 8, end, number), names, strict=True):
        if address >= KERNEL:
            found.append(Symbol(address, name[:1], name[1:]))
    return found


def functions(found: Sequence[Symbol]) -> list[tuple[int, int, str]]:
    """Return start, end and name of the functions; each ends where the next symbol begins."""
    starts = sorted({symbol.address for symbol in found})
    ends = dict(zip(starts, [*starts[1:], *starts[-1:]], strict=True))
    text = sorted((symbol.address, symbol.name) for symbol in found if symbol.kind in TEXT)
    return [(address, ends[address], name) for address, name in text]


def _tokens(kernel: bytes) -> tuple[list[str], int, int]:
    """Return the tokens, where their table starts, and where the index behind it ends."""
    at = -1
    while (at := kernel.find(DIGITS, at + 1)) >= 0:
        start = at
        for _ in range(DIGITS[0]):
            start = kernel.rfind(b"\0", 0, start - 1) + 1
        pieces = kernel[start : start + TOKENS * 64].split(b"\0")[:TOKENS]
        begins = [0]
        for piece in pieces[:-1]:
            begins.append(begins[-1] + len(piece) + 1)
        if len(pieces) < TOKENS or begins[-1] > 0xFFFF:
            continue
        behind = start + begins[-1] + len(pieces[-1]) + 1
        index = kernel.find(struct.pack(f"<{TOKENS}H", *begins), behind, behind + 2 * TOKENS + 64)
        if index >= 0:
            return [piece.decode("ascii", "replace") for piece in pieces], start, index + 2 * TOKENS
    raise ScenarioError(f"kernel image: has no symbol table; {REMEDY}")


def _names_at(packed: memoryview, tokens: int) -> tuple[int, int]:
    """Return where the names begin and how many they are: their number says where they end."""
    lowest = max(0, tokens - LARGEST_NAMES) // 8 * 8
    words = packed[lowest : tokens // 8 * 8].cast("Q")
    for at in range(len(words) - 1, -1, -1):
        number = words[at]
        if not FEWEST <= number <= MOST:
            continue
        first = lowest + 8 * at + 8
        if _marked(packed, first, number, tokens):
            return first, number
    raise ScenarioError(f"kernel image: has no names before its tokens; {REMEDY}")


def _marked(packed: memoryview, first: int, number: int, tokens: int) -> bool:
    """Return whether so many names end where a table of every 256th begins."""
    at, marks = first, []
    for i in range(number):
        if at >= tokens:
            return False
        if i % MARKED == 0:
            marks.append(at - first)
        length, size = _length(packed, at)
        at += size + length
        if not length:
            return False
    behind = (at + 7) // 8 * 8
    for aligned in ((at + 3) // 4 * 4, behind):
        if packed[aligned : aligned + 4 * len(marks)] == struct.pack(f"<{len(marks)}I", *marks):
            return True
    return False


def _length(packed: memoryview, at: int) -> tuple[int, int]:
    """Return how many tokens a name has, and in how many bytes that is written."""
    length = packed[at]
    return (length & LONG - 1 | packed[at + 1] << 7, 2) if length & LONG else (length, 1)


def _names(packed: memoryview, at: int, number: int, tokens: list[str]) -> Iterator[str]:
    for _ in range(number):
        length, size = _length(packed, at)
        at += size
        yield "".join(map(tokens.__getitem__, packed[at : at + length]))
        at += length


def _addresses(packed: memoryview, before: int, behind: int, number: int) -> list[int]:
    """Return the addresses, from either place; those of memory per CPU are small ones."""
    places = [(behind + 7) // 8 * 8, before - 8 - (4 * number + 7) // 8 * 8]
    for start in places:
        at = start + (4 * number + 7) // 8 * 8
        if start < 0 or at + 8 > len(packed):
            continue
        (base,) = struct.unpack_from("<Q", packed, at)
        if base >= KERNEL:
            offsets = struct.unpack_from(f"<{number}i", packed, start)
            if min(offsets) < 0:  # CONFIG_KALLSYMS_ABSOLUTE_PERCPU
                return [base - 1 - offset if offset < 0 else offset for offset in offsets]
            return [base + offset for offset in offsets]
    raise ScenarioError(f"kernel image: has no addresses beside its names; {REMEDY}")
