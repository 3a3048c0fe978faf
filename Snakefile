"""Raw releases of the tabular NAS benchmarks become versioned SQLite, Parquet and HDF5 files."""

import shutil

from snakemake.utils import min_version

min_version("9.27")


report: "workflow/report/workflow.rst"


configfile: Path(workflow.basedir) / "config" / "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/convert.smk"
include: "workflow/rules/assemble.smk"
include: "workflow/rules/validate.smk"
include: "workflow/rules/install.smk"
include: "workflow/rules/report.smk"


# These stay on the submitting host: `fetch` needs the network, and a failed `install` must fail once
# only. A job on a cluster runs Snakemake inside of Snakemake; the inner one restores the installed
# folder that it has saved, the outer one has saved nothing and removes it.
localrules:
    all,
    fetched,
    fetch,
    install,
    catalog,


onstart:
    # Snakemake saves what is installed while `install` runs, and once it was killed then, fails at
    # the copy that it left. The installed folder itself is whole at any time.
    for release in BUILD.releases:
        saved = Path(".snakemake/backups", named(INSTALLED, release))
        shutil.rmtree(saved, ignore_errors=True)


rule all:
    default_target: True
    input:
        "results/catalog.json",
        # Named here, too: Snakemake does not miss what only the inputs of its targets need.
        installed(),
        reported(),
    message:
        "Everything that was asked for is installed; results/catalog.json lists it."


rule fetched:
    input:
        [raw_of(release) for release in BUILD.releases],
    message:
        "Every raw file that was asked for is in resources/raw."
