"""The pages in a browser: drawn without complaint, from disk alone, on a laptop and on a phone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from nasbase.benchmarks import NAMES
from nasbase.diff.compare import diff
from nasbase.diff.sides import open_side
from nasbase.report.build_page import build_page, write_build_page
from nasbase.report.changes import changes_page
from nasbase.report.data import Installed
from nasbase.report.index import write_index_page
from nasbase.report.vega import drawing_program

COSTS = """s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time
2.5\t0:00:02\t101.5\t1\t1\t1\t0\t0\t90\t1.75
"""

BLANK = """Array.from(document.querySelectorAll(".chart"), chart => {
  const canvas = chart.querySelector("canvas");
  if (!canvas) return chart.id + ": no canvas";
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const colours = new Set();
  for (let i = 0; i < data.length; i += 4)
    colours.add(data[i] * 65536 + data[i+1] * 256 + data[i+2]);
  return colours.size > 20 ? "" : chart.id + ": " + colours.size + " colours";
}).filter(Boolean)"""
"""Charts without a canvas, or with a canvas on which nothing but a frame is drawn."""


@pytest.fixture(scope="module")
def report(builds):
    """The report of all builds, as the workflow's rules write it."""
    folder = builds / "report"
    for name in NAMES:
        write_build_page(builds / name / "sample", folder / f"{name}-sample.html")
    costs = builds / "logs"
    for rule in ("convert", "assemble"):
        (costs / rule).mkdir(parents=True)
        (costs / rule / "nb101-sample-0a1b2c3d.tsv").write_text(COSTS)
    write_index_page(builds, folder / "index.html", costs=costs)
    changed = diff(*(open_side(builds / name / "sample") for name in ("nb201", "nats_tss")))
    (folder / "changes.html").write_text(changes_page(changed))
    return folder


PAGES = [*(f"{name}-sample" for name in NAMES), "index", "changes"]


@pytest.mark.parametrize("width", [390, 1366])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_and_stays_on_the_machine(report, browser, name, width):
    visit = browser.open(report / f"{name}.html", width)
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:"))] == []
    files = [url for url in visit.requests if url.startswith("file:")]
    assert files == [(report / f"{name}.html").as_uri()]
    assert browser.evaluate(BLANK) == []
    wide = browser.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"the page is {wide} pixels wider than the screen"
    banner = browser.evaluate(
        "(({width, height}) => [width, height])"
        "(document.querySelector('.banner').getBoundingClientRect())"
    )
    assert banner[0] > 0.95 * width
    assert banner[1] > 10
    assert browser.evaluate("document.querySelector('meta[name=viewport]').content")


CHOICES = """(async () => {
  const drawn = [];
  for (const select of document.querySelectorAll(".vega-bind select")) {
    const canvas = select.closest(".chart").querySelector("canvas");
    const pictures = new Set();
    for (const option of select.options) {
      select.value = option.value;
      select.dispatchEvent(new Event("change", { bubbles: true }));
      for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
      pictures.add(canvas.toDataURL());
    }
    drawn.push([select.name, select.options.length, pictures.size]);
  }
  return drawn;
})()"""
"""Every choice of every figure: its name, how many options it has, how many pictures they make."""


@pytest.mark.parametrize("name", NAMES)
def test_every_choice_of_every_figure_is_drawn(report, browser, name):
    visit = browser.open(report / f"{name}-sample.html", 1366)
    choices = browser.evaluate(CHOICES)
    assert sum(options for _, options, _ in choices) > 10
    assert [choice for choice in choices if choice[1] > 1 and choice[2] == 1] == []
    # Reading the canvas often is this test's own doing.
    assert [said for said in visit.complaints if "readback" not in said] == []


ORANGE = """(() => {
  const canvas = document.querySelector("#selection canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let orange = 0;
  for (let i = 0; i < data.length; i += 4)
    orange += data[i] === 0xd5 && data[i+1] === 0x5e && data[i+2] === 0;
  return orange;
})()"""
"""Pixels of the bars that count the chosen networks."""


def test_choosing_by_validation_changes_what_is_shown(report, browser):
    """A brush over the upper picture leaves other networks in the lower one."""
    visit = browser.open(report / "nb101-sample.html", 1366)
    browser.evaluate("document.getElementById('selection').scrollIntoView({block: 'center'})")
    at = browser.evaluate(
        "(({x, y, width}) => [x, y, width])"
        "(document.querySelector('#selection canvas').getBoundingClientRect())"
    )
    before = browser.evaluate(ORANGE)
    drag = [("Moved", 0.3), ("Pressed", 0.3), ("Moved", 0.4), ("Moved", 0.5), ("Released", 0.5)]
    for kind, part in drag:
        browser.call(
            "Input.dispatchMouseEvent",
            type=f"mouse{kind}",
            x=at[0] + part * at[2],
            y=at[1] + 120,
            button="left",
            buttons=1,
            clickCount=1,
        )
    browser.evaluate("new Promise(r => setTimeout(r, 300))")
    assert before > 500
    assert browser.evaluate(ORANGE) < before
    # Reading the canvas twice is this test's own doing.
    assert [said for said in visit.complaints if "readback" not in said] == []


def test_a_button_copies_or_selects_its_text(report, browser):
    browser.open(report / "nb101-sample.html", 1366)
    said = browser.evaluate(
        """(async () => {
          const button = document.querySelector(".copy button");
          button.click();
          await new Promise(r => setTimeout(r, 100));
          const code = button.previousElementSibling;
          return [button.textContent, String(getSelection()), code.textContent];
        })()"""
    )
    assert said[0] == "copied" or (said[0] == "selected" and said[1] == said[2])
    assert re.fullmatch("[0-9a-f]{32}", said[2])


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_where_its_numbers_come_from(report, name):
    text = (report / f"{name}-sample.html").read_text()
    build = Installed(report.parent / name / "sample")
    raw = build.manifest["raw"][0]
    assert text.index(build.manifest["citation"]) < text.index('id="pictures"')
    assert raw["sha256"] in text
    assert build.manifest["data_licence"] in text
    figures = re.findall(r'<div class="chart" id="([\w-]+)">', text)
    assert len(figures) >= 8
    assert text.count(f'<span class="build">{build.label}</span>') == len(figures)
    documents = json.loads(re.search(r'id="figures">(.*?)</script>', text, re.DOTALL)[1])
    assert sorted(documents) == sorted(figures)
    assert all(d["spec"]["title"]["text"] == build.label for d in documents.values())
    for record in build.validation["checks"]:
        assert f"<code>{record['id']}</code>" in text
    assert 'class="drawing"' in text


def test_the_best_network_is_the_best(report):
    text = (report / "nb101-sample.html").read_text()
    folder = report.parent / "nb101" / "sample"
    means = pq.read_table(folder / "means.parquet").to_pandas()
    full = means[means.num_epochs == 108]
    best = full.loc[full.test_acc_pct_mean.idxmax()]
    hashes = pq.read_table(folder / "architectures.parquet").to_pandas().set_index("arch_id").hash
    table = text[text.index("Best test: test accuracy on cifar10, mean over the runs") :]
    assert f"{best.test_acc_pct_mean:.3f}" in table[:800]
    assert re.search("[0-9a-f]{32}", table)[0] == hashes[best.arch_id]


def test_the_front_and_the_correlations_of_a_page_are_right(report):
    text = (report / "nats_tss-sample.html").read_text()
    documents = json.loads(re.search(r'id="figures">(.*?)</script>', text, re.DOTALL)[1])
    folder = report.parent / "nats_tss" / "sample"
    means = pq.read_table(folder / "means.parquet").to_pandas()
    costs = pq.read_table(folder / "costs.parquet").to_pandas()
    rows = means[(means.dataset == "cifar100") & (means.num_epochs == 200)]
    rows = rows.merge(costs, on=["arch_id", "dataset"])
    front = []
    for _, row in rows.sort_values(
        ["params", "x_test_acc_pct_mean"], ascending=[True, False]
    ).iterrows():
        if not front or row.x_test_acc_pct_mean > front[-1][1]:
            front.append((row.params, row.x_test_acc_pct_mean))
    columns = documents["size-params"]["data"]["front"]
    label = columns["setting"]["words"].index("cifar100, 200 epochs")
    shown = [
        (x, y)
        for x, y, code in zip(columns["x"], columns["y"], columns["setting"]["codes"], strict=True)
        if code == label
    ]
    assert np.allclose(shown, front[-len(shown) :], rtol=1e-5)
    assert len(shown) >= 2

    valid = means[(means.dataset == "cifar10-valid") & (means.num_epochs == 200)]
    test = means[(means.dataset == "cifar10") & (means.num_epochs == 200)]
    both = (
        valid.set_index("arch_id").x_valid_acc_pct_mean,
        test.set_index("arch_id").ori_test_acc_pct_mean,
    )
    expected = both[0].rank().corr(both[1].rank())
    columns = documents["rank-pairs"]["data"]["rows"]
    names, tops = columns["pair"], columns["top"]
    (row,) = [
        i
        for i, code in enumerate(names["codes"])
        if names["words"][code] == "cifar10-valid x_valid / cifar10 ori_test, 200"
        and tops["words"][tops["codes"][i]] == "all"
    ]
    assert columns["spearman"][row] == pytest.approx(expected, rel=1e-5)
    assert columns["n"][row] == len(both[0])


def figure_rows(text, figure):
    """Rows of the numbers of a figure."""
    documents = json.loads(re.search(r'id="figures">(.*?)</script>', text, re.DOTALL)[1])
    columns = {
        name: [column["words"][code] for code in column["codes"]]
        if isinstance(column, dict)
        else column
        for name, column in documents[figure]["data"]["rows"].items()
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_the_pages_show_what_the_summary_tables_hold(report, name):
    """Every correlation of enough networks (those of nds are too few), every place of a ranking."""
    text = (report / f"{name}-sample.html").read_text()
    folder = report.parent / name / "sample"
    stored = pq.read_table(folder / "rank_correlation.parquet").to_pylist()
    ranked = [row for row in stored if row["n"] >= 10 and row["kendall_tau_b"] is not None]
    shown = {"rank-pairs": ranked}
    if name != "nds":
        shown["rank-matrix"] = [row for row in ranked if row["x_run"] is None]
    for figure, wanted in shown.items():
        assert (f'id="{figure}"' in text) == bool(wanted)
        rows = figure_rows(text, figure) if wanted else []
        assert [row["n"] for row in rows] == [row["n"] for row in wanted]
        for statistic in ("kendall_tau_b", "spearman", "pearson"):
            found = [row[statistic] for row in rows]
            assert found == pytest.approx([row[statistic] for row in wanted], rel=1e-5)
    best = pq.read_table(folder / "best.parquet").to_pylist()
    part = text[text.index('id="best"') : text.index('id="checks"')]
    assert part.count("<caption>") == len(
        {(row["dataset"], row["role"], row["num_epochs"], row["rule"]) for row in best}
    )
    assert part.count('<span class="copy">') == len(best)
    assert all(f">{row['value']:.3f}</td>" in part for row in best)


def test_the_index_says_what_the_build_cost(report):
    text = (report / "index.html").read_text()
    part = text[text.index('id="cost"') :]
    assert "nb101 sample" in part
    assert "5 seconds of jobs" in part
    assert "102" in part  # megabytes
    assert text.index("Cite the originals") < text.index('id="nb101-sample"')
    for name in NAMES:
        assert f'href="{name}-sample.html"' in text


def test_two_releases_of_a_benchmark_are_compared_on_the_index(builds, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(builds / "nb101", results / "nb101")
    two = results / "nb101" / "sample-two"
    shutil.copytree(results / "nb101" / "sample", two)
    manifest = json.loads((two / "manifest.json").read_text()) | {"release": "sample-two"}
    (two / "manifest.json").write_text(json.dumps(manifest))
    from nasbase.store.install import write_catalog

    write_catalog(results)
    write_index_page(results, tmp_path / "index.html", costs=tmp_path)
    text = (tmp_path / "index.html").read_text()
    assert "What changed: nb101" in text
    assert "nasbase diff nb101@sample nb101@sample-two" in text
    assert "Not known here" in text


def test_the_same_build_gives_the_same_bytes(builds, report, tmp_path):
    script = (
        "import sys; from pathlib import Path;"
        "from nasbase.report.build_page import write_build_page;"
        "write_build_page(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    page = tmp_path / "page.html"
    subprocess.run(
        [sys.executable, "-c", script, str(builds / "nds" / "sample"), str(page)],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )
    assert page.read_bytes() == (report / "nds-sample.html").read_bytes()


def test_a_large_build_is_counted_in_cells(builds, monkeypatch):
    monkeypatch.setattr("nasbase.report.figures.MOST_POINTS", 10)
    text = build_page(Installed(builds / "nats_sss" / "sample"))
    documents = json.loads(re.search(r'id="figures">(.*?)</script>', text, re.DOTALL)[1])
    data = documents["size-params"]["data"]
    assert "points" not in data
    cells = data["cells"]
    label = cells["setting"]["words"].index("cifar10, 90 epochs")
    counted = [
        n for n, c in zip(cells["count"], cells["setting"]["codes"], strict=True) if c == label
    ]
    assert sum(counted) == 24
    assert "Grey cells" in text


def test_the_program_has_no_address_to_load_from():
    assert not re.search(
        r"""["'](https?:)?//[\w.]*(jsdelivr|unpkg|cdnjs|googleapis)""", drawing_program()
    )
