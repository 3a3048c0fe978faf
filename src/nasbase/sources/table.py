"""The sources table: which files every release has, where they are, how they are recognised."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from nasbase.benchmarks import canonical_name
from nasbase.errors import ConfigError
from nasbase.sources.schema import load_yaml, nearest, validate

FORMS = ("tar", "pickle", "dir")
"""Forms among alternatives, in the order in which they are tried."""

_SCHEMES = ("https", "http", "file", "gdrive")
_DRIVE_ID = re.compile(r"[A-Za-z0-9_-]{10,}")
_RESERVED = {".", "..", "fetched.json"}
_SYNTHETIC_NAME = re.compile(r"sample(-.+)?")


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row of ``files``; the fields are those of the schema."""

    name: str
    form: str | None = None
    urls: tuple[str, ...] = ()
    manual: str | None = None
    bytes: int | None = None
    bytes_about: int | None = None
    sha256: str | None = None
    md5_suffix: str | None = None

    @property
    def digest(self) -> str | None:
        """The strongest digest that the table gives."""
        return self.sha256 or self.md5_suffix

    @property
    def pin(self) -> str | None:
        """First 8 digits of the SHA-256, else the MD5 suffix, else None."""
        return self.sha256[:8] if self.sha256 else self.md5_suffix

    @property
    def size_about(self) -> int | None:
        """The best knowledge of the file's size, in bytes."""
        return self.bytes if self.bytes is not None else self.bytes_about


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a benchmark, as the table describes it."""

    benchmark: str
    release: str
    status: str
    files: tuple[FileRow, ...]
    synthetic: bool = False
    partial: bool = False
    code_licence: str = "not stated"
    data_licence: str = "not stated"
    citation: str = "not stated"
    homepage: str | None = None

    @property
    def required(self) -> list[tuple[FileRow, ...]]:
        """What must be obtained: alternatives in the order in which they are tried.

        A file without ``form`` is its own only alternative; all files with one are alternatives
        of each other.
        """
        alternatives = sorted((f for f in self.files if f.form), key=lambda f: FORMS.index(f.form))
        units: list[tuple[FileRow, ...]] = [(f,) for f in self.files if not f.form]
        return [*units, tuple(alternatives)] if alternatives else units

    @property
    def pin(self) -> str:
        """What tells this release from a re-release under the same name.

        The pin of the first alternative that has a digest; several required files: 8 digits of
        the SHA-256 over their digests, one a line; ``unpinned`` where the table has no digest.
        """
        chosen = [next((f for f in unit if f.digest), None) for unit in self.required]
        if not any(chosen):
            return "unpinned"
        if len(chosen) == 1 and chosen[0] is not None:
            return chosen[0].pin or "unpinned"
        lines = "\n".join((f and f.digest) or "unpinned" for f in chosen)
        return hashlib.sha256(lines.encode()).hexdigest()[:8]

    @property
    def provenance(self) -> dict[str, str | None]:
        """What the tables say of their source."""
        keys = ("citation", "homepage", "code_licence", "data_licence")
        return {key: getattr(self, key) for key in keys}

    @property
    def key(self) -> str:
        """Name of this release in paths: ``<release>-<pin>``."""
        return f"{self.release}-{self.pin}"

    @property
    def identity(self) -> list[dict[str, Any]]:
        """Names and digests of the files: all that decides whether they must be fetched again.

        Mirrors, licences and sentences are left out, so that editing one fetches nothing.
        """
        keys = ("name", "form", "bytes", "sha256", "md5_suffix")
        return [{key: getattr(f, key) for key in keys} for f in self.files]

    @property
    def size_about(self) -> int | None:
        """Bytes of the files that will be obtained, as far as the table knows them."""
        known = [next((f.size_about for f in u if f.size_about), None) for u in self.required]
        return sum(size for size in known if size) or None


@cache
def schema() -> Mapping[str, Any]:
    """The JSON schema of a sources table."""
    text = resources.files("nasbase.sources").joinpath("sources.schema.yaml").read_text("utf-8")
    return yaml.safe_load(text)


class SourcesTable:
    """A sources table that has been read and found sound.

    Parameters
    ----------
    path
        The file it was read from; ``file:`` urls are relative to its folder, and the lock file
        stands beside it.
    releases
        Releases by benchmark and name, in the order of the file.
    """

    def __init__(self, path: Path, releases: Mapping[str, Mapping[str, Release]]) -> None:
        self.path = path
        self._releases = releases

    @classmethod
    def load(cls, path: str | Path) -> SourcesTable:
        """Read and check a table.

        Raises
        ------
        ConfigError
            With the file, the key, what is allowed and the nearest match.
        """
        path = Path(path)
        document = load_yaml(path)
        validate(document, schema(), path)
        releases: dict[str, dict[str, Release]] = {}
        for given, rows in document.items():
            benchmark = _benchmark(given, path)
            if benchmark in releases:
                raise ConfigError(
                    f"The benchmark {benchmark} is given twice.", where=path, found=repr(given)
                )
            releases[benchmark] = {
                name: _release(benchmark, name, row, path) for name, row in rows.items()
            }
            _check_latest(benchmark, releases[benchmark], path)
        return cls(path, releases)

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Benchmarks of the table, in its order."""
        return tuple(self._releases)

    def releases(self, benchmark: str) -> tuple[Release, ...]:
        """All releases of a benchmark, in the order of the table."""
        return tuple(self._of(benchmark).values())

    def release(self, benchmark: str, release: str | None = None) -> Release:
        """One release; without a name, the one whose status is ``latest``.

        A table of nothing but synthetic releases may have no ``latest``; then the only one is
        meant.

        Raises
        ------
        ConfigError
            If there is none of that name, or no name is given and none is the latest.
        """
        known = self._of(benchmark)
        if release is None:
            latest = [r for r in known.values() if r.status == "latest"] or list(known.values())
            if len(latest) == 1:
                return latest[0]
            name = canonical_name(benchmark)
            raise ConfigError(
                f"No release of {name} is the latest.",
                where=self.path,
                expected="one release with status: latest, or the name of one of: "
                + ", ".join(known),
                found=", ".join(f"{r.release} ({r.status})" for r in known.values()),
                todo=f"Name one: --config releases='{{{name}: {next(iter(known))}}}'",
            )
        if release not in known:
            raise ConfigError(
                f"There is no release {release!r} of {canonical_name(benchmark)}.",
                where=self.path,
                expected=", ".join(known),
                found=repr(release),
                todo=nearest(release, known),
            )
        return known[release]

    def local_path(self, url: str) -> Path:
        """The path that a ``file:`` url of this table means."""
        path = url.removeprefix("file:").removeprefix("//localhost").removeprefix("//")
        return self.path.parent / unquote(path)

    def __iter__(self) -> Iterator[Release]:
        for rows in self._releases.values():
            yield from rows.values()

    def _of(self, benchmark: str) -> Mapping[str, Release]:
        name = canonical_name(benchmark)
        if name not in self._releases:
            raise ConfigError(
                f"The sources table has no benchmark {name}.",
                where=self.path,
                expected=", ".join(self._releases),
                found=repr(benchmark),
            )
        return self._releases[name]


def _benchmark(given: str, path: Path) -> str:
    try:
        return canonical_name(given)
    except ConfigError as error:
        error.where = path
        raise


def _release(benchmark: str, name: str, row: Mapping[str, Any], path: Path) -> Release:
    where = f"{path}, at {benchmark}/{name}"
    synthetic = row.get("synthetic", False)
    if synthetic != bool(_SYNTHETIC_NAME.fullmatch(name)):
        raise ConfigError(
            f"The release {name!r} is{'' if synthetic else ' not'} marked as synthetic.",
            where=where,
            expected="synthetic: true for releases named `sample` or `sample-<anything>`, "
            "and for no others",
            found=f"{name!r} with synthetic: {str(synthetic).lower()}",
            todo="Rename the release, or correct the mark: made-up numbers must never pass for "
            "real ones.",
        )
    files = tuple(_file_row(f, f"{where}/files/{i}") for i, f in enumerate(row["files"]))
    _refuse_twice([f.name for f in files], "file name", where)
    _refuse_twice([f.form for f in files if f.form], "form", where)
    return Release(benchmark=benchmark, release=name, **{**row, "files": files})


def _file_row(row: Mapping[str, Any], where: str) -> FileRow:
    file = FileRow(**{**row, "urls": tuple(row.get("urls", ()))})
    if file.name in _RESERVED or file.name != file.name.strip():
        raise ConfigError("A file name is not a plain name.", where=where, found=repr(file.name))
    if not file.urls and not file.manual:
        raise ConfigError(
            f"Nothing says where {file.name} is.",
            where=where,
            expected="`urls`, `manual` or both",
            found=", ".join(k.name for k in fields(file) if getattr(file, k.name)),
        )
    for url in file.urls:
        _check_url(url, file, where)
    return file


def _check_url(url: str, file: FileRow, where: str) -> None:
    scheme, _, rest = url.partition(":")
    schemes = ("file",) if file.form == "dir" else _SCHEMES
    if scheme not in schemes:
        raise ConfigError(
            f"{url!r} is no place that can be fetched from.",
            where=where,
            expected=", ".join(f"{s}:" for s in schemes),
            found=f"{scheme}:" if rest else repr(url),
            todo=nearest(scheme, schemes)
            or "A file beside the table is written file:<path relative to the table>.",
        )
    parts = urlsplit(url)
    sound = {
        "https": bool(parts.netloc),
        "http": bool(parts.netloc),
        "file": bool(parts.path) and parts.netloc in {"", "localhost"},
        "gdrive": bool(_DRIVE_ID.fullmatch(rest)),
    }[scheme]
    if not sound:
        raise ConfigError(
            f"{url!r} is malformed.",
            where=where,
            expected="https://host/path, file:///absolute/path, file:relative/path or "
            "gdrive:<file id>",
            found=repr(url),
        )


def _refuse_twice(names: list[str], what: str, where: str) -> None:
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise ConfigError(f"The {what} {twice!r} is given twice.", where=where, found=repr(twice))


def _check_latest(benchmark: str, releases: Mapping[str, Release], path: Path) -> None:
    """Exactly one real release is the latest, and no synthetic one beside it is."""
    real = [r for r in releases.values() if not r.synthetic]
    latest = [r.release for r in releases.values() if r.status == "latest"]
    real_latest = [r.release for r in real if r.status == "latest"]
    sound = latest == real_latest and len(latest) == 1 if real else len(latest) <= 1
    if not sound:
        raise ConfigError(
            f"{benchmark} must have exactly one release whose status is `latest`, a real one if "
            "there is a real one.",
            where=f"{path}, at {benchmark}",
            expected="one of: " + ", ".join(r.release for r in real or releases.values()),
            found=", ".join(latest) or "none",
        )
