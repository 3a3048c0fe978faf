"""JSON texts with sorted keys and no spaces, of many small values."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_make: Callable[..., Any] | None = getattr(json.encoder, "c_make_encoder", None)
"""What `json.JSONEncoder.encode` makes anew at every call, which takes longer than a short text
does. The library does not document it: where it is gone, `encode` itself does the work."""


def compact_encoder(*, allow_nan: bool = True) -> Callable[[Any], str]:
    """A function from plain values to JSON, as ``json.dumps`` with sorted keys and no spaces.

    Parameters
    ----------
    allow_nan
        Whether NaN and infinite numbers become JavaScript's names instead of a ValueError.

    Returns
    -------
    callable
        It raises TypeError, ValueError and RecursionError as ``json.dumps`` does; what contains
        itself is a RecursionError.
    """
    encoder = json.JSONEncoder(
        sort_keys=True, separators=(",", ":"), allow_nan=allow_nan, check_circular=False
    )
    try:
        pieces = _make and _make(
            None,
            encoder.default,
            json.encoder.encode_basestring_ascii,
            None,  # no indentation
            encoder.key_separator,
            encoder.item_separator,
            encoder.sort_keys,
            encoder.skipkeys,
            encoder.allow_nan,
        )
    except TypeError:  # a Python in which it is made of something else
        pieces = None
    if pieces is None:
        return encoder.encode
    return lambda value: "".join(pieces(value, 0))
