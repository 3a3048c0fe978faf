"""Pickles: an unpickler that knows a handful of names and refuses the rest, and its counterpart.

A pickle is a program. The released ones need five names; every other name is refused before
anything is imported or called. What stands for the allowed names are objects of this module, none
of which can be changed by the pickle that uses them.
"""

from __future__ import annotations

import bz2
import io
import pickle
import pickletools
import struct
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np

from nasbase.containers.pickle_opcodes import MAX_TUPLES, PLAIN, TO_NUMBER
from nasbase.errors import RawDataError

_REPLACE_FILE = "Compare the file's digest with the published one and fetch it again."


class RefusedError(Exception):
    """Something in a pickle that no release contains; `load` says where."""

    def __init__(self, what: str, *, expected: object = None, found: object = None) -> None:
        super().__init__(what)
        self.what, self.expected, self.found = what, expected, found


# ---------------------------------------------------------------------------------------------
# what stands for the allowed names


class Opaque:
    """Stands for something that is read over: a tensor, a storage, a persistent id.

    The ``-full`` members hold trained weights beside the numbers; nothing here looks into them.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<opaque {self.name}>"

    def __setstate__(self, state: object) -> None:
        raise RefusedError(f"A pickle tries to set the state of {self.name}.", found=type(state))


class _Global:
    """An allowed name: it can be called, and it has no state that a pickle could change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise RefusedError("A pickle tries to change a function.", found=type(state))


class Ordered(dict):
    """``collections.OrderedDict``: a dict, which keeps its order."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        # PyTorch's state dicts carry their versions as an attribute; nothing else is known.
        if not isinstance(state, dict) or set(state) != {"_metadata"}:
            raise RefusedError(
                "A pickle sets attributes of an OrderedDict.",
                expected="none, or _metadata",
                found=sorted(map(str, state)) if isinstance(state, dict) else type(state).__name__,
            )


_SCALARS = {"f8": "d", "f4": "f", "i8": "q", "i4": "i"}


class _DType:
    """``numpy.dtype`` of a plain number, as far as a scalar's bytes need it."""

    __slots__ = ("_code", "code", "unpack")

    def __init__(self, code: object, _align: object = 0, _copy: object = 1) -> None:
        if code not in _SCALARS:  # 'O' would make bytes into pointers
            raise RefusedError(
                "A pickle uses a numpy type that no release contains.",
                expected=", ".join(_SCALARS),
                found=repr(code),
            )
        self.code = code
        self._code = _SCALARS[code]
        self.unpack = struct.Struct("<" + self._code).unpack
        """Bytes -> the number that they hold, in a tuple."""

    def __setstate__(self, state: tuple) -> None:
        if not (isinstance(state, tuple) and len(state) == 8 and state[1] in ("<", ">")):
            raise RefusedError("A numpy type has an unknown state.", found=repr(state)[:200])
        if state[2:5] != (None, None, None):
            raise RefusedError("A numpy type has fields.", found=repr(state)[:200])
        self.unpack = struct.Struct(state[1] + self._code).unpack


def _scalar(dtype: object, raw: object) -> float | int:
    if not isinstance(dtype, _DType):
        raise RefusedError("A numpy scalar has no numpy type.", found=type(dtype).__name__)
    if not isinstance(raw, bytes):
        raise RefusedError("A numpy scalar is not made of bytes.", found=type(raw).__name__)
    return dtype.unpack(raw)[0]


def _numpy_scalar(dtype: object, raw: object) -> np.generic:
    number = _scalar(dtype, raw)
    return np.dtype(dtype.code).type(number)  # type: ignore[attr-defined]


def _ordered(pairs: Any = ()) -> Ordered:
    return Ordered(pairs)


def _encode(text: object, encoding: object) -> bytes:
    # Protocol 2 has no bytes: it stores them as text and calls _codecs.encode(text, 'latin1').
    if not isinstance(text, str) or encoding != "latin1":
        raise RefusedError(
            "A pickle calls _codecs.encode for something else than bytes.",
            expected="(text, 'latin1')",
            found=f"({type(text).__name__}, {encoding!r})"[:200],
        )
    return text.encode("latin1")


def _opaque(name: str) -> _Global:
    return _Global(lambda *_arguments: Opaque(name))


_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")

ALLOWED: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): _Global(_ordered),
    ("numpy.core.multiarray", "scalar"): _Global(_scalar),
    ("numpy._core.multiarray", "scalar"): _Global(_scalar),
    ("numpy", "dtype"): _Global(_DType),
    ("_codecs", "encode"): _Global(_encode),
    ("torch._utils", "_rebuild_tensor_v2"): _opaque("tensor"),
    ("torch.storage", "_load_from_bytes"): _opaque("storage"),
    **{("torch", f"{kind}Storage"): Opaque(f"torch.{kind}Storage") for kind in _STORAGES},
}
"""What each allowed name stands for, by module and name."""


class AllowListUnpickler(pickle.Unpickler):
    """Unpickler for `ALLOWED` names; numpy scalars become Python numbers, bit for bit.

    Its own exceptions do not say where; use `load`.
    """

    def find_class(self, module: str, name: str) -> Any:
        """What stands for an allowed name."""
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise RefusedError(
                "A pickle asks for a name that no release contains.",
                expected=", ".join(sorted({f"{m}.{n}" for m, n in ALLOWED if m != "torch"})),
                found=f"{module}.{name}",
            ) from None

    def persistent_load(self, pid: object) -> Opaque:  # noqa: ARG002 - whatever it is, it is opaque
        """Storages of tensors are not read."""
        return Opaque("storage")


class TypedUnpickler(AllowListUnpickler):
    """The same names, but what they make has the types that upstream's readers see.

    Numpy scalars stay numpy scalars, and ordered dictionaries are `collections.OrderedDict`.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._ordered: list[OrderedDict] = []

    def find_class(self, module: str, name: str) -> Any:
        """What stands for an allowed name."""
        if (module, name) == ("collections", "OrderedDict"):
            return _Global(self._new_ordered)
        if name == "scalar" and (module, name) in ALLOWED:
            return _Global(_numpy_scalar)
        return super().find_class(module, name)

    def _new_ordered(self, pairs: Any = ()) -> OrderedDict:
        made: OrderedDict = OrderedDict(pairs)
        self._ordered.append(made)
        return made

    def load(self) -> Any:
        """Unpickle; attributes of an OrderedDict, which could hide its methods, are refused."""
        loaded = super().load()
        for made in self._ordered:
            if vars(made):
                Ordered().__setstate__(vars(made))
        return loaded


_BROKEN = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
    RecursionError,
    struct.error,
)
"""What the C unpickler raises over a damaged stream."""


def load(
    source: bytes | BinaryIO,
    *,
    where: object,
    unpickler: type[AllowListUnpickler] = AllowListUnpickler,
    check_end: Callable[[int], None] | None = None,
) -> Any:
    """Unpickle one object of `ALLOWED` names.

    Parameters
    ----------
    source
        The pickle, or a file at its beginning (read to its end).
    where
        Names the pickle in error messages.
    unpickler
        `TypedUnpickler` keeps numpy's types.
    check_end
        Gets the number of bytes of the pickle, and judges what follows; None: nothing may follow.

    Raises
    ------
    RawDataError
        If the pickle asks for any other name, does something that no release does, is damaged, or
        is followed by other bytes.
    """
    data = source if isinstance(source, bytes) else source.read()
    stream = io.BytesIO(data)
    try:
        _refuse_bombs(data)
        loaded = unpickler(stream).load()
    except RefusedError as refused:
        raise RawDataError(
            refused.what,
            where=where,
            expected=refused.expected,
            found=refused.found,
            todo="Do not use this file. " + _REPLACE_FILE,
        ) from None
    except _BROKEN as error:
        raise RawDataError(
            "A pickle is damaged.",
            where=f"{where}, byte {stream.tell()} of {len(data)}",
            expected="a whole pickle",
            found=f"{type(error).__name__}: {error}",
            todo=_REPLACE_FILE,
        ) from error
    if check_end is not None:
        check_end(stream.tell())
    elif stream.tell() != len(data):
        raise RawDataError(
            "Something follows a pickle.",
            where=where,
            expected=f"{stream.tell()} bytes",
            found=f"{len(data)} bytes",
            todo=_REPLACE_FILE,
        )
    return loaded


def _refuse_bombs(data: bytes) -> None:
    """Refuse what makes the C unpickler exhaust memory or stack, before it runs."""
    if PLAIN.fullmatch(data):
        return
    tuples = 0
    for op, argument, _at in pickletools.genops(data):
        tuples += op.name.startswith("TUPLE")
        # The unpickler makes room for every index below, and no object is smaller than a byte.
        if op.name in ("PUT", "LONG_BINPUT") and int(argument or 0) > len(data):
            raise RefusedError(
                "A pickle numbers more objects than it can hold.",
                expected=f"at most {len(data)}",
                found=argument,
            )
    if tuples > MAX_TUPLES:
        raise RefusedError(
            "A pickle holds too many tuples.", expected=f"at most {MAX_TUPLES}", found=tuples
        )


# ---------------------------------------------------------------------------------------------
# bz2 with a bound


def decompress(data: bytes, *, limit: int, where: object) -> bytes:
    """Decompress one bz2 file that is small enough to hold in memory.

    Raises
    ------
    RawDataError
        If more than ``limit`` bytes come out, or the file is damaged or truncated.
    """
    return b"".join(BoundedBz2(io.BytesIO(data), limit=limit, where=where).blocks(limit + 1))


class BoundedBz2(io.RawIOBase):
    """A bz2 file as a stream of bytes that never gives more than ``limit`` of them.

    Parameters
    ----------
    compressed
        The compressed file, at its beginning.
    limit
        Most bytes that may come out.
    where
        Names the file in error messages.
    """

    CHUNK = 1 << 20

    def __init__(self, compressed: BinaryIO, *, limit: int, where: object) -> None:
        self._file, self._limit, self._where = compressed, limit, where
        self._bz2 = bz2.BZ2Decompressor()
        self._given = 0
        self._started = False

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as one step gives bytes."""
        view = memoryview(buffer)
        block = self._step(len(view))
        view[: len(block)] = block
        return len(block)

    def blocks(self, size: int) -> Iterator[bytes]:
        """The decompressed bytes in blocks of at most ``size``."""
        while block := self._step(size):
            yield block

    def _step(self, size: int) -> bytes:
        block = b""
        while size and not block:
            if self._bz2.eof:  # bz2 files may be concatenated
                rest = self._bz2.unused_data or self._file.read(self.CHUNK)
                if not rest:
                    break
                self._bz2 = bz2.BZ2Decompressor()
            elif self._bz2.needs_input:
                rest = self._file.read(self.CHUNK)
                if not rest:
                    self._fail("A bz2 file is truncated.", "its end mark", "the end of the file")
            else:
                rest = b""
            try:
                block = self._bz2.decompress(rest, size)
            except OSError as error:
                self._fail("A bz2 file is damaged.", "bz2 data", str(error))
        self._given += len(block)
        if self._given > self._limit:
            self._fail(
                "A bz2 file holds more than it may.",
                f"at most {self._limit} bytes",
                f"{self._given} bytes or more",
            )
        return block

    def _fail(self, what: str, expected: str, found: str) -> None:
        raise RawDataError(
            what,
            where=f"{self._where}, byte {self._given} of its contents",
            expected=expected,
            found=found,
            todo=_REPLACE_FILE,
        )


# ---------------------------------------------------------------------------------------------
# writing

# Released pickles name numpy.core.multiarray.scalar, a name that numpy 2 has moved. The C pickler
# only writes names that it can import, so a module of an equally long name stands in for it, and
# is replaced in the finished bytes.
_UPSTREAM, _STANDIN = "numpy.core.multiarray", "nasbase_upstreamnames"


def _written_scalar() -> None:
    """Only its name is written."""


_written_scalar.__module__, _written_scalar.__qualname__ = _STANDIN, "scalar"
_standin = types.ModuleType(_STANDIN, "Names as released pickles spell them.")
_standin.scalar = _written_scalar  # type: ignore[attr-defined]
sys.modules[_STANDIN] = _standin


class _WrittenDType:
    """``dtype('f8')`` as old numpy pickled it."""


_F8 = _WrittenDType()


class UpstreamPickler(pickle.Pickler):
    """Writes numpy scalars under the names of the releases, whatever numpy is installed.

    What it writes is finished by `upstream_names`; `dumps` does both.
    """

    def reducer_override(self, obj: Any) -> Any:
        """How numpy's numbers are written; everything else as usual."""
        if isinstance(obj, np.float64):
            return _written_scalar, (_F8, obj.tobytes())
        if obj is _F8:
            return np.dtype, ("f8", 0, 1), (3, "<", None, None, None, -1, -1, 0)
        return NotImplemented


def upstream_names(pickled: bytes) -> bytes:
    """Bytes of an `UpstreamPickler` with the released name in its place."""
    return pickled.replace(_STANDIN.encode(), _UPSTREAM.encode())


def dumps(obj: Any, protocol: int) -> bytes:
    """Pickle as upstream did: protocol 4 in NATS-Bench, 2 in NAS-Bench-201."""
    out = io.BytesIO()
    UpstreamPickler(out, protocol).dump(obj)
    return upstream_names(out.getvalue())


def numbered(obj: Any) -> tuple[bytes, int]:
    """Protocol-4 pickle of an object, and how many objects it numbers: for `renumbered`."""
    out = io.BytesIO()
    pickler = UpstreamPickler(out, 4)
    pickler.dump(obj)
    return upstream_names(out.getvalue()), len(pickler.memo.copy())


def renumbered(pickled: bytes, shift: int) -> bytes:
    """The opcodes of a protocol-4 pickle as they read where ``shift`` objects came before.

    So parts can be pickled apart, in other processes, and be put together. The first and the last
    opcode and the frames are left out.
    """
    parts: list[bytes] = []
    at, end = 2, len(pickled) - 1
    while at < end:
        match = TO_NUMBER.match(pickled, at, end)
        if match is None:
            raise ValueError(f"unknown opcode after byte {at}")
        parts.append(match[1])
        if reference := match["short"] or match["long"]:
            number = int.from_bytes(reference, "little") + shift
            short = number < 256
            parts.append(b"h%c" % number if short else b"j" + number.to_bytes(4, "little"))
        at = match.end()
    return b"".join(parts)
