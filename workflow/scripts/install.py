"""Put one validated build in the place of the installed one."""

from pathlib import Path
from typing import TYPE_CHECKING

from nasbase.joblog import job_log
from nasbase.store.install import install

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]):
    others = [Path(form) for form in snakemake.input.get("forms", [])]
    install(
        Path(snakemake.output.installed),
        parquet=Path(snakemake.input.parquet),
        forms=dict(zip(snakemake.params.forms[1:], others, strict=True)),
        validation=Path(snakemake.input.report),
        description=snakemake.params.description,
    )
