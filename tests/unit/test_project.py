"""The project's files agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from nasbase.benchmarks import NAMES
from nasbase.config import FORMS
from nasbase.tables.catalogue import BENCHMARKS
from nasbase.tables.document import document

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def pinned(requirements):
    """Requirements as name -> bound, without spaces."""
    return dict(re.fullmatch(r"([\w.-]+?)\s*([<>=].*)?", r).groups() for r in requirements)


def extra(name):
    found = {}
    for requirement in EXTRAS[name]:
        inner = re.fullmatch(r"nasbase\[(\w+)\]", requirement)
        found |= extra(inner[1]) if inner else pinned([requirement])
    return found


@pytest.mark.parametrize("name", ["build", "report", "slurm", "workflow"])
def test_conda_environments_equal_the_extras(name):
    environment = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
    found = pinned(environment["dependencies"])
    assert found.pop("python") == ">=3.11"
    # conda splits Snakemake: the minimal package is what the extra installs.
    found = {k.removesuffix("-minimal"): v for k, v in found.items()}
    assert found == extra(name)
    assert environment["channels"][-1] == "nodefaults"


def test_every_environment_is_checked():
    assert {path.stem for path in (ROOT / "envs").glob("*.yaml")} == {
        "build",
        "report",
        "slurm",
        "workflow",
    }


def test_the_page_of_tables_is_current():
    current = (ROOT / "docs" / "tables.md").read_text()
    assert current == document(), "run: python -m nasbase.tables.document > docs/tables.md"


def test_names_agree():
    assert NAMES == BENCHMARKS
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    assert tuple(schema["properties"]["outputs"]["items"]["enum"]) == FORMS


def test_the_documentation_of_the_configuration_is_complete():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    page = (ROOT / "config/README.md").read_text()
    for key, rule in schema["properties"].items():
        assert rule["description"]
        assert f"| `{key}` |" in page


@pytest.mark.parametrize(
    "page",
    ["README.md", "config/README.md", "CONTRIBUTING.md", "docs/design.md", "docs/cluster.md"],
)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_no_script_reads_the_configuration_behind_snakemakes_back():
    # Only fetch may: where a file comes from must not trigger a rerun.
    readers = [
        path.name
        for path in (ROOT / "workflow/scripts").glob("*.py")
        if "snakemake.config" in path.read_text()
    ]
    assert readers == ["fetch.py"]
