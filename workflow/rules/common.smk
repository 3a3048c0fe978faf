"""What all rules share: the configuration, paths, and the code that each step depends on."""

import os
import sys
from pathlib import Path

import yaml

ROOT = Path(workflow.basedir)

# The package beside this workflow is the one that runs, also in conda environments and on other
# machines, so that the code declared as input below is the code that makes the outputs.
PACKAGE = ROOT / "src" / "nasbase"
sys.path.insert(0, str(PACKAGE.parent))

from nasbase.benchmarks import NAMES
from nasbase.config import read_config
from nasbase.environment import expose_package
from nasbase.errors import NasbaseError
from nasbase.store.nni import DATABASES
from nasbase.tables.catalogue import NATS_RECORDS, SCHEMA_VERSION

expose_package(PACKAGE.parent)

# No job gains from BLAS's threads, and to start them takes a third of the CPU time of its imports.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

CONFIG_SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"

try:
    BUILD = read_config(config, CONFIG_SCHEMA, ROOT)
except NasbaseError as error:
    raise WorkflowError(str(error)) from None


wildcard_constraints:
    benchmark="|".join(NAMES),
    release=r"[A-Za-z0-9._]+(-[A-Za-z0-9._]+)*",
    pin=r"[0-9a-f]{1,32}|unpinned",
    shard=r"\d{3}-of-\d{3}",
    database="|".join(DATABASES.values()),


# ------------------------------------------------------------------------------ paths

FETCHED = "resources/raw/{benchmark}/{release}-{pin}/fetched.json"
WORK = "build/{benchmark}/{release}-{pin}"
INSTALLED = "results/{benchmark}/{release}"
REPORT = "results/report"
FORM_FILES = {
    "sqlite": "{benchmark}.sqlite",
    "hdf5": "curves.h5",
    "nni": "nni/{database}.db",
}


def release_of(wildcards):
    """The row of the sources table that a job works on."""
    return BUILD.table.release(wildcards.benchmark, wildcards.release)


def named(pattern, release):
    """A path pattern filled in for one release."""
    return pattern.format(
        benchmark=release.benchmark,
        release=release.release,
        pin=release.pin,
        database=DATABASES.get(release.benchmark),
    )


def raw_of(release):
    """Record of what was fetched for a release."""
    return named(FETCHED, release)


def shards_of(wildcards):
    """Folders of all shards of a release, in order."""
    count = BUILD.shards_of(wildcards.benchmark)
    return [
        f"{named(WORK, release_of(wildcards))}/shards/{i:03d}-of-{count:03d}"
        for i in range(count)
    ]


def forms_of(wildcards):
    """Files of the forms beside Parquet that a build has."""
    forms = BUILD.forms_of(wildcards.benchmark)
    pattern = {name: f"{WORK}/{file}" for name, file in FORM_FILES.items()}
    return [
        named(pattern[form], release_of(wildcards)) for form in forms if form in pattern
    ]


def artifacts_of(wildcards):
    """Everything that is validated and installed for a release."""
    work = named(WORK, release_of(wildcards))
    return {"parquet": f"{work}/parquet", "forms": forms_of(wildcards)}


def counterpart_of(wildcards):
    """Tables of the release that a release is compared with, if this run builds both."""
    other = BUILD.counterpart_of(release_of(wildcards))
    return {"counterpart": f"{named(WORK, other)}/parquet"} if other else {}


def validated_of(wildcards):
    """The artifacts of a release and the report that they passed."""
    work = named(WORK, release_of(wildcards))
    return {**artifacts_of(wildcards), "report": f"{work}/validation.json"}


def installed():
    """The folders of all releases that were asked for."""
    return [named(INSTALLED, release) for release in BUILD.releases]


def pages():
    """A page for each of them, where a report was asked for."""
    return [
        f"{REPORT}/{r.benchmark}-{r.release}.html"
        for r in BUILD.releases
        if BUILD.report
    ]


def reported():
    """The report, where it was asked for."""
    return [f"{REPORT}/index.html", *pages()] if BUILD.report else []


# ------------------------------------------------------------------------------ code as input


def code(*patterns):
    """Modules of the package that match, as inputs: Snakemake tracks scripts, not their imports."""
    files = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    here = Path.cwd()
    # Relative inside the working folder, so that a checkout can be moved with its results.
    return sorted(
        str(path.relative_to(here) if path.is_relative_to(here) else path)
        for path in files
    )


def room_patterns(benchmark):
    """Modules of a benchmark's room, the shared NATS room included."""
    folders = [benchmark, *(["nats_common"] if benchmark in NATS_RECORDS else [])]
    return [f"benchmarks/{folder}/*.py" for folder in folders]


def decoding_code(wildcards):
    """What turns raw bytes into shards; checks and samples of a room are not part of it."""
    modules = code(
        "errors.py",
        "benchmarks/*.py",
        "containers/*.py",
        "tables/runs.py",
        "tables/shards.py",
        *room_patterns(wildcards.benchmark),
    )
    others = ("checks.py", "patterns.py", "reread.py", "sample.py")
    return [m for m in modules if Path(m).name not in others]


def assembling_code(wildcards):
    """What turns shards into Parquet tables."""
    modules = code("tables/*.py", "store/parquet.py")
    return [m for m in modules if Path(m).name not in ("document.py", "models.py")]


def nni_code(wildcards):
    """What writes NNI's database of a benchmark."""
    shared = [
        f"store/nni/{name}.py" for name in ("__init__", "rows", "schema", "writer")
    ]
    own = f"store/nni/{wildcards.benchmark}.py"
    return code("store/build.py", "store/curves.py", "store/database.py", *shared, own)


def checking_code(wildcards):
    """What judges artifacts."""
    return code(
        "checks/*.py",
        "checks/figures/*.py",
        "checks/figures/*.yaml",
        "benchmarks/reread.py",
        *[
            pattern.replace("*.py", module)
            for pattern in room_patterns(wildcards.benchmark)
            for module in ("checks.py", "patterns.py", "reread.py")
        ],
    )


def page_code():
    """What draws pages; the rest of what it loads made the build itself."""
    return code(
        "report/*.css",
        "report/*.js",
        "report/*.py",
        "diff/identity.py",
        "query/vocabulary.py",
    )


# ------------------------------------------------------------------------------ resources

NEEDS = yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text())


def needed(rule, resource):
    """What a job of a rule needs; a cluster ends one that wants more, so the next try asks for more."""

    def of_attempt(wildcards, attempt):
        amounts = NEEDS[rule][resource]
        return attempt * (
            amounts[wildcards.benchmark] if isinstance(amounts, dict) else amounts
        )

    return of_attempt


# Jobs at the same time must fit into the memory of this machine. Snakemake counts `mem_mb` only for
# jobs that it runs itself, so a cluster is not held back by its submitting host.
if "mem_mb" not in workflow.global_resources:
    machine_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6
    workflow.register_resource("mem_mb", machine_mb * 8 // 10)


# ------------------------------------------------------------------------------ params


def files_of(wildcards):
    """Names and digests of a release's files: all that decides whether to fetch again."""
    return release_of(wildcards).identity


def partial_of(wildcards):
    """Whether a release may hold fewer records than its space."""
    return BUILD.is_partial(release_of(wildcards))


def shard_count(wildcards):
    """Pieces that a release is cut into."""
    return BUILD.shards_of(wildcards.benchmark)


def built_forms(wildcards):
    """Names of the forms of a build."""
    return list(BUILD.forms_of(wildcards.benchmark))


def provenance_of(wildcards):
    """What the tables say of their source."""
    return release_of(wildcards).provenance


def description_of(wildcards):
    """What the manifest says of its source."""
    return {**provenance_of(wildcards), "status": release_of(wildcards).status}
