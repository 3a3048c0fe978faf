"""What rules declare to need: against what whole releases needed, and what a machine has."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from harness import ROOT, workflow_in

DECLARED = yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text())
MEASURED = json.loads((ROOT / "bench" / "results" / "full.json").read_text())["builds"]["100"]
SNAKEMAKE_MB = 260
"""The two Snakemake processes that run around every step on a cluster."""
LITTLE_MB = 20
"""Below it a factor says nothing: a job that leaves some kB."""


def declared(rule: str, resource: str, benchmark: str) -> int:
    amount = DECLARED[rule][resource]
    return amount[benchmark] if isinstance(amount, dict) else amount


@pytest.mark.parametrize("row", MEASURED["rules"], ids=lambda r: f"{r['benchmark']}-{r['rule']}")
def test_declared_resources_are_near_the_measured_ones(row):
    benchmark, rule = row["benchmark"], row["rule"]
    memory = declared(rule, "mem_mb", benchmark)
    assert memory / 2 <= row["peak_mb"] + SNAKEMAKE_MB <= memory
    disk = declared(rule, "disk_mb", benchmark)
    if max(disk, row["disk_mb"]) > LITTLE_MB:
        assert disk / 2 <= row["disk_mb"] <= disk
    assert row["longest_s"] <= 60 * DECLARED[rule]["runtime"]


def test_whole_releases_of_all_benchmarks_were_measured():
    assert {row["benchmark"] for row in MEASURED["rules"]} == set(MEASURED["raw_mb"])
    assert len(MEASURED["raw_mb"]) == 5


@pytest.mark.parametrize(("arguments", "limit"), [([], None), (["--resources", "mem_mb=700"], 700)])
def test_jobs_share_the_memory_of_the_machine(samples, tmp_path, arguments, limit):
    workflow = workflow_in(tmp_path, samples, benchmarks="nds")
    text = workflow.run("fetched", *arguments).text
    (found,) = re.findall(r"Provided resources: .*\"mem_mb\", (\d+)\)", text)
    (total,) = re.findall(r"MemTotal: +(\d+) kB", open("/proc/meminfo").read())  # noqa: SIM115
    assert int(found) == (limit or int(total) * 1024 // 10**6 * 8 // 10)
