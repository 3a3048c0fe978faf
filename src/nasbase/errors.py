"""The errors of nasbase: what, where, expected, found, and what to do next."""

from __future__ import annotations


class NasbaseError(Exception):
    """Base of every error that nasbase raises on purpose.

    Parameters
    ----------
    what
        One sentence: what went wrong.
    where
        File, member, offset or key at which it went wrong.
    expected, found
        What should have been there and what was there instead.
    todo
        What the user can do next.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        expected: object = None,
        found: object = None,
        todo: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.todo = todo
        super().__init__(what)

    def __str__(self) -> str:
        labels = {
            "where": self.where,
            "expected": self.expected,
            "found": self.found,
            "what to do": self.todo,
        }
        lines = [self.what]
        lines += [f"  {label}: {value}" for label, value in labels.items() if value is not None]
        return "\n".join(lines)

    def __reduce__(self) -> tuple:  # keeps the fields across process boundaries
        fields = {k: getattr(self, k) for k in ("where", "expected", "found", "todo")}
        return _rebuild, (type(self), self.what, fields)


def _rebuild(kind: type[NasbaseError], what: str, fields: dict[str, object]) -> NasbaseError:
    return kind(what, **fields)  # type: ignore[arg-type]


class ConfigError(NasbaseError):
    """The configuration or the sources table is wrong."""


class SourceError(NasbaseError):
    """An upstream file cannot be obtained or is not the file it should be."""


class RawDataError(NasbaseError):
    """A raw file does not have the structure that its release has."""


class IncompleteReleaseError(RawDataError):
    """A release holds fewer records than its full space and is not declared partial."""


class DiskSpaceError(NasbaseError):
    """There is not enough free disk for the next step."""


class ArtifactError(NasbaseError):
    """A built artifact is missing, damaged, or of a layout that this version does not know."""


class DamagedError(ArtifactError):
    """Installed files are not the ones that were validated."""


class CheckFailedError(NasbaseError):
    """Built artifacts did not pass validation; nothing was installed."""


class SpaceError(NasbaseError, ValueError):
    """An architecture does not belong to the search space it was given for."""


class QueryError(NasbaseError, LookupError):
    """A question has no answer: a name that does not exist, or a value upstream never released."""
