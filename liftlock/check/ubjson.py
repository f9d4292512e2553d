"""Whether a UBJSON file (XGBoost's `.ubj`) is whole: walks its values by their lengths and builds nothing.

Format: https://ubjson.org (draft 12), with typed and counted containers as XGBoost writes them.
"""

from __future__ import annotations

_SIZES = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8, b"d": 4, b"D": 8, b"C": 1, b"T": 0, b"F": 0, b"Z": 0, b"N": 0}
_WHOLE = {b"i", b"U", b"I", b"l", b"L"}
_DEEPEST = 64


class _CutError(Exception):
    """The file ends, or makes no sense, before its first value does."""


def ubjson_end(data: bytes) -> str | None:
    """What is missing from a file that should hold one UBJSON value; None where nothing is."""
    try:
        end = _Walker(data).value(0, _DEEPEST)
    except _CutError as error:
        return str(error)
    return None if end == len(data) else f"{len(data) - end} bytes follow its end"


class _Walker:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def value(self, index: int, depth: int) -> int:
        """The index after the value that starts at `index`."""
        return self._body(self._take(index, 1), index + 1, depth)

    def _body(self, kind: bytes, index: int, depth: int) -> int:
        if kind in _SIZES:
            return self._ahead(index, _SIZES[kind])
        if kind in (b"S", b"H"):
            length, index = self._number(index)
            return self._ahead(index, length)
        if kind in (b"{", b"[") and depth:
            return self._container(index, kind == b"{", depth - 1)
        raise _CutError(f"nothing UBJSON at byte {index - 1}")

    def _container(self, index: int, keyed: bool, depth: int) -> int:
        kind, count = b"", None
        if self._take(index, 1) == b"$":
            kind, index = self._take(index + 1, 1), index + 2
        if self._take(index, 1) == b"#":
            count, index = self._number(index + 1)
        if kind in _SIZES and count is not None and not keyed:
            return self._ahead(index, count * _SIZES[kind])
        return self._entries(index, keyed, kind, count, depth)

    def _entries(self, index: int, keyed: bool, kind: bytes, count: int | None, depth: int) -> int:
        closing = b"}" if keyed else b"]"
        done = 0
        while count is None or done < count:
            if count is None and self._take(index, 1) == closing:
                return index + 1
            if keyed:
                length, index = self._number(index)
                index = self._ahead(index, length)
            index = self._body(kind, index, depth) if kind else self.value(index, depth)
            done += 1
        return index

    def _number(self, index: int) -> tuple[int, int]:
        kind = self._take(index, 1)
        if kind not in _WHOLE:
            raise _CutError(f"no length at byte {index}")
        end = self._ahead(index + 1, _SIZES[kind])
        number = int.from_bytes(self.data[index + 1 : end], "big", signed=kind != b"U")
        if number < 0:
            raise _CutError(f"a length below zero at byte {index}")
        return number, end

    def _take(self, index: int, count: int) -> bytes:
        return self.data[index : self._ahead(index, count)]

    def _ahead(self, index: int, count: int) -> int:
        if index + count > len(self.data):
            raise _CutError(f"it ends at byte {len(self.data)}, within a value")
        return index + count
