"""Obtain, verify and link the raw files of one release."""

from pathlib import Path
from typing import TYPE_CHECKING

from nasbase.config import read_config
from nasbase.joblog import job_log
from nasbase.steps import fetch_step

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]):
    # The whole configuration on purpose: where a file comes from must not trigger a rerun.
    root = Path(snakemake.scriptdir).resolve().parent.parent
    schema = root / "workflow" / "schemas" / "config.schema.yaml"
    fetch_step(
        read_config(snakemake.config, schema, root),
        snakemake.wildcards.benchmark,
        snakemake.wildcards.release,
        Path(snakemake.output.fetched),
    )
