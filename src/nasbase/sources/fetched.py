"""``fetched.json``: which raw files a release has, for the steps that read them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from nasbase.benchmarks.room import RawFile, RawRelease
from nasbase.errors import SourceError
from nasbase.sources.store import Store
from nasbase.staging import staged_file


def write_fetched(path: Path, raw: RawRelease) -> None:
    """Write a release as JSON; paths are relative to the folder of the file.

    The bytes depend on the release alone, and the file appears in one rename.
    """
    document = asdict(raw)
    for file, row in zip(raw.files, document["files"], strict=True):
        row["path"] = Path(os.path.relpath(file.path, path.parent)).as_posix()
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    with staged_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_fetched(path: Path) -> RawRelease:
    """Read a release that `write_fetched` has written.

    Raises
    ------
    SourceError
        If the file is missing or damaged.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(
            RawFile(**{**row, "path": path.parent / row["path"]}) for row in document.pop("files")
        )
        return RawRelease(files=files, **document)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceError(
            "The list of fetched files cannot be read.",
            where=path,
            expected="what the fetch step writes",
            found=f"{type(error).__name__}: {error}",
            todo=_again(path.parent),
        ) from error


def ensure_linked(raw: RawRelease, store: Store) -> None:
    """Make sure that every raw file is there, linking it again from the store where it is not.

    Raises
    ------
    SourceError
        If a file is neither there nor in the store, or has another size.
    """
    for file in raw.files:
        if not file.path.exists():
            if not store.has(file.sha256):
                raise SourceError(
                    f"A raw file of {raw.where} is gone.",
                    where=file.path,
                    expected=f"the file, or {store.path(file.sha256)}",
                    found="neither",
                    todo=_again(file.path.parent),
                )
            store.link(file.sha256, file.path)
        size = file.path.stat().st_size
        if size != file.bytes:
            raise SourceError(
                f"A raw file of {raw.where} has changed.",
                where=file.path,
                expected=f"{file.bytes} bytes",
                found=f"{size} bytes",
                todo=_again(file.path.parent),
            )


def _again(folder: Path) -> str:
    return f"Delete {folder} and run again: rm -r '{folder}'"
