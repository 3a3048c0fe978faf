"""What pages are made of, and what the build cost."""

from html.parser import HTMLParser

import pytest

from nasbase.report.html import SYNTHETIC, copyable, link, page, size, table
from nasbase.report.index import read_costs

HEAD = "s\th:m:s\tmax_rss\tcpu_time\n"


class Balance(HTMLParser):
    """Complains about elements that are not closed in their order."""

    EMPTY = ("meta", "link", "br")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, _):
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_is_well_formed_and_escaped():
    hostile = '<script>alert(1)</script> & "x"'
    body = [table(["a", "b"], [["1", copyable(hostile)]], sides="><", caption=hostile)]
    text = page(hostile, body, synthetic=True, scripts=["let x = '</script>';"])
    balance = Balance()
    balance.feed(text)
    assert balance.open == []
    assert "alert(1)</script>" not in text
    assert text.count("</script>") == 2
    assert SYNTHETIC in text
    assert SYNTHETIC not in page("x", [], synthetic=False)


@pytest.mark.parametrize("url", [None, "javascript:alert(1)", "gdrive:1a2b"])
def test_only_addresses_of_the_web_are_links(url):
    assert "<a" not in link(url)


def test_sizes():
    assert [size(n) for n in (0, 999, 1000, 4_700_000_000)] == ["0 B", "999 B", "1 kB", "4.7 GB"]


def test_costs_are_added_up_by_rule(tmp_path):
    files = {
        "convert/nb101-sample-0a1b2c3d-000-of-002.tsv": "1.5\t0:00:01\t100.0\t1.25\n",
        "convert/nb101-sample-0a1b2c3d-001-of-002.tsv": "2.5\t0:00:02\t300.0\tNA\n",
        "install/nb101-sample.tsv": "0.5\t0:00:00\tNA\tNA\n",
        "convert/nb101-sample-two-0a1b2c3d-000-of-001.tsv": "99\t0:01:39\t1\t1\n",
        "convert/nb101-samples-unpinned-000-of-001.tsv": "99\t0:01:39\t1\t1\n",
        "page/nb101-sample.tsv": "99\t0:01:39\t1\t1\n",
    }
    for name, row in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(HEAD + row)
    known = read_costs(tmp_path, ["nb101-sample", "nb101-sample-two"])
    assert known["nb101-sample-two"]["convert"].seconds == 99
    found = known["nb101-sample"]
    assert sorted(found) == ["convert", "install"]
    convert = found["convert"]
    assert (convert.jobs, convert.seconds, convert.processor, convert.memory_mb) == (
        2,
        4.0,
        1.25,
        300,
    )
    assert read_costs(tmp_path / "nothing", ["nb101-sample"]) == {"nb101-sample": {}}
