"""Raw releases of the tabular NAS benchmarks become versioned SQLite, Parquet and HDF5 files."""

from snakemake.utils import min_version

min_version("9.27")


configfile: Path(workflow.basedir) / "config" / "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/convert.smk"
include: "workflow/rules/assemble.smk"
include: "workflow/rules/validate.smk"
include: "workflow/rules/install.smk"


localrules:
    all,
    fetched,
    fetch,
    catalog,


rule all:
    default_target: True
    input:
        "results/catalog.json",
    message:
        "Everything that was asked for is installed; results/catalog.json lists it."


rule fetched:
    input:
        [raw_of(release) for release in BUILD.releases],
    message:
        "Every raw file that was asked for is in resources/raw."
