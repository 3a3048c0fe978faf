"""What a folder of Parquet tables says of the build that it belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from nasbase.store.parquet import TableContent, content_of
from nasbase.tables.catalogue import tables


@dataclass(frozen=True, slots=True)
class Build:
    """Identity of a build, read from the metadata of its Parquet tables."""

    benchmark: str
    release: str
    schema: int
    synthetic: bool
    partial: bool
    contents: Mapping[str, TableContent]

    @property
    def version(self) -> str:
        """``<release>+s<schema>.<8 hex of the digest over its tables>``."""
        digests = {name: content.digest for name, content in sorted(self.contents.items())}
        digest = hashlib.sha256(json.dumps(digests).encode()).hexdigest()
        return f"{self.release}+s{self.schema}.{digest[:8]}"

    def described(self) -> dict[str, str]:
        """The identity as text, for the metadata of other forms."""
        return {
            "benchmark": self.benchmark,
            "release": self.release,
            "version": self.version,
            "schema": str(self.schema),
            "synthetic": json.dumps(self.synthetic),
            "partial": json.dumps(self.partial),
        }


def read_build(folder: Path) -> Build:
    """Read the identity of the build whose Parquet tables are in ``folder``."""
    metadata = pq.read_metadata(folder / "architectures.parquet").metadata
    text = {key.decode(): value.decode() for key, value in metadata.items()}
    benchmark = text["nasbase.benchmark"]
    return Build(
        benchmark=benchmark,
        release=text["nasbase.release"],
        schema=int(text["nasbase.schema"]),
        synthetic=json.loads(text["nasbase.synthetic"]),
        partial=json.loads(text["nasbase.partial"]),
        contents={name: content_of(folder / f"{name}.parquet") for name in tables(benchmark)},
    )
