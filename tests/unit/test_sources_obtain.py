"""Obtaining releases without a server: store, drop-in folder, file urls, lock and links."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest
import yaml

from nasbase.errors import DiskSpaceError, SourceError
from nasbase.sources.download import Policy
from nasbase.sources.obtain import fetch_release
from nasbase.sources.table import SourcesTable

BODY = b"raw bytes of a release"


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class World:
    """A working directory with a sources table, upstream's files and a drop-in folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines: list[str] = []
        for name in ("config", "upstream", "dropin"):
            (root / name).mkdir()

    def table(self, *files: dict, benchmark: str = "nds", release: str = "1", **more) -> None:
        rows = {"status": "latest", "files": list(files), **more}
        (self.root / "config" / "sources.yaml").write_text(
            yaml.safe_dump({benchmark: {release: rows}})
        )

    def upstream(self, name: str, body: bytes = BODY) -> str:
        path = self.root / "upstream" / name
        path.write_bytes(body)
        return f"file:../upstream/{name}"

    def fetch(self, benchmark: str = "nds", **how):
        table = SourcesTable.load(self.root / "config" / "sources.yaml")
        how = {"dropin": self.root / "dropin", "policy": Policy(attempts=1), **how}
        return fetch_release(
            table,
            benchmark,
            store_dir=self.root / "store",
            raw_dir=self.root / "raw",
            log=self.lines.append,
            **how,
        )

    def fails(self, benchmark: str = "nds", **how) -> SourceError:
        with pytest.raises(SourceError) as caught:
            self.fetch(benchmark, **how)
        assert str(self.root / "config" / "sources.yaml") in caught.value.where
        return caught.value

    def lock(self) -> dict:
        path = self.root / "config" / "sources.lock.yaml"
        return yaml.safe_load(path.read_text()) if path.exists() else {}

    def stored(self) -> set[str]:
        store = self.root / "store"
        return {str(p.relative_to(store)) for p in store.rglob("*") if p.is_file()}


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


@pytest.fixture
def nats(world) -> World:
    """A release in three forms, of which none can be downloaded."""
    top = "NATS-tss-v1_0-3ffb9"
    world.table(
        {"name": f"{top}-simple.tar", "form": "tar", "manual": "Open the Drive folder."},
        {"name": f"{top}.pickle.pbz2", "form": "pickle", "manual": "Open the Drive folder.",
         "md5_suffix": hashlib.md5(BODY).hexdigest()[-5:]},
        {"name": f"{top}-simple", "form": "dir", "manual": "Unpack the tar."},
        benchmark="nats_tss",
        release="1.0",
    )  # fmt: skip
    return world


def members(folder: Path, *names: str) -> None:
    folder.mkdir()
    for name in names or ("meta.pickle.pbz2", "000000.pickle.pbz2", "12.pickle.pbz2"):
        (folder / name).write_bytes(name.encode())


# ---------------------------------------------------------------- the way through


def test_a_file_is_verified_stored_and_linked(world):
    world.table({"name": "data.zip", "urls": [world.upstream("data.zip")], "sha256": sha(BODY)})
    raw = world.fetch()
    (file,) = raw.files
    assert file.path == world.root / "raw" / "nds" / f"1-{sha(BODY)[:8]}" / "data.zip"
    assert (file.name, file.form, file.bytes, file.sha256) == ("data.zip", None, 22, sha(BODY))
    assert file.path.samefile(world.root / "store" / sha(BODY))
    assert (raw.benchmark, raw.release, raw.partial, raw.synthetic) == ("nds", "1", False, False)
    assert world.stored() == {sha(BODY)}
    assert [p.name for p in file.path.parent.iterdir()] == ["data.zip"]
    assert world.lock() == {}  # the table itself pins it


def test_what_nobody_pins_is_locked_at_first_sight(world):
    url = world.upstream("data.zip")
    world.table({"name": "data.zip", "urls": [url]})
    (file,) = world.fetch().files
    assert file.path.parent.name == "1-unpinned"
    entry = {"sha256": sha(BODY), "bytes": 22, "md5": hashlib.md5(BODY).hexdigest(), "url": url}
    assert world.lock() == {"nds": {"1": {"data.zip": entry}}}

    (world.root / "upstream" / "data.zip").write_bytes(b"another release, silently")
    world.fetch()  # the store has what the lock pins
    (world.root / "store" / sha(BODY)).unlink()
    error = world.fails()
    assert "the lock file" in error.found
    assert "delete the entry nds/1/data.zip" in error.found
    assert world.stored() == set()
    assert world.lock() == {"nds": {"1": {"data.zip": entry}}}


def test_a_pin_in_the_table_overrules_the_lock(world):
    url = world.upstream("data.zip")
    world.table({"name": "data.zip", "urls": [url]})
    world.fetch()
    newer = b"a re-release"
    world.upstream("data.zip", newer)
    world.table({"name": "data.zip", "urls": [url], "sha256": sha(newer)})
    (file,) = world.fetch().files
    assert file.path.read_bytes() == newer
    assert {p.parent.name for p in (world.root / "raw").rglob("data.zip")} == {
        "1-unpinned",
        f"1-{sha(newer)[:8]}",
    }  # beside the old one, which stays


def test_every_plain_file_is_required(world):
    files = [{"name": n, "urls": [world.upstream(n, n.encode())]} for n in ("a", "b")]
    world.table(*files)
    assert [f.path.read_bytes() for f in world.fetch().files] == [b"a", b"b"]
    (world.root / "upstream" / "b").unlink()
    (world.root / "store" / sha(b"b")).unlink()
    error = world.fails()
    assert error.what == "No place gave b of nds 1."


def test_partial_and_synthetic_come_from_table_and_argument(world):
    file = {"name": "x", "urls": [world.upstream("x")]}
    world.table(file)
    assert world.fetch(partial=True).partial
    world.table(file, partial=True)
    assert world.fetch().partial
    world.table(file, release="sample", synthetic=True)
    raw = world.fetch()
    assert raw.synthetic
    assert raw.release == "sample"


def test_a_second_fetch_touches_nothing(world):
    world.table({"name": "data.zip", "urls": [world.upstream("data.zip")]})
    world.fetch()
    before = {p: p.lstat() for p in world.root.rglob("*")}
    world.lines.clear()
    world.fetch()
    assert {p: p.lstat() for p in world.root.rglob("*")} == before
    assert "in the store already" in world.lines[0]


# ---------------------------------------------------------------- order of places


def test_the_store_goes_before_the_dropin_folder_and_that_before_urls(world):
    world.table({"name": "x", "urls": [world.upstream("x")]})
    (world.root / "dropin" / "x").write_bytes(BODY)
    world.fetch()
    assert world.lock()["nds"]["1"]["x"]["url"] == "drop-in"
    (world.root / "dropin" / "x").unlink()
    (world.root / "upstream" / "x").unlink()
    world.fetch()


def test_the_users_own_file_is_left_alone(world):
    mine = world.root / "dropin" / "x"
    mine.write_bytes(BODY)
    world.table({"name": "x", "urls": ["https://127.0.0.1:9/x"]})
    world.fetch()
    assert mine.stat().st_nlink == 1
    mine.write_bytes(b"edited")
    assert (world.root / "store" / sha(BODY)).read_bytes() == BODY


def test_mirrors_are_tried_in_order(world):
    good = world.upstream("x")
    world.upstream("wrong", b"wrong")
    world.table(
        {"name": "x", "urls": ["file:gone", "file:../upstream/wrong", good], "sha256": sha(BODY)}
    )
    world.fetch()
    told = "\n".join(world.lines)
    assert "There is no such file" in told
    assert f"expected {sha(BODY)}" in told
    assert world.stored() == {sha(BODY)}


def test_forms_at_hand_are_taken_in_order(nats):
    dropin = nats.root / "dropin"
    top = "NATS-tss-v1_0-3ffb9"
    members(dropin / f"{top}-simple")
    assert [f.form for f in nats.fetch("nats_tss").files] == ["dir"]
    (dropin / f"{top}.pickle.pbz2").write_bytes(BODY)
    assert [f.form for f in nats.fetch("nats_tss").files] == ["pickle"]
    (dropin / f"{top}-simple.tar").write_bytes(b"tar")
    assert [f.form for f in nats.fetch("nats_tss").files] == ["tar"]


def test_a_form_at_hand_goes_before_a_download_of_a_better_one(world):
    world.table(
        {"name": "x.tar", "form": "tar", "urls": [world.upstream("x.tar")]},
        {"name": "x.pickle", "form": "pickle", "manual": "ask"},
    )
    (world.root / "dropin" / "x.pickle").write_bytes(BODY)
    assert [f.form for f in world.fetch().files] == ["pickle"]
    assert [f.form for f in world.fetch(dropin=None).files] == ["pickle"]  # by the store


def test_a_folder_is_packed_the_same_way_each_time(nats):
    folder = nats.root / "dropin" / "NATS-tss-v1_0-3ffb9-simple"
    members(folder)
    (file,) = nats.fetch("nats_tss").files
    assert (file.name, file.form) == (f"{folder.name}.tar", "dir")
    assert file.path.name == file.name
    with tarfile.open(file.path) as archive:
        assert f"{folder.name}/meta.pickle.pbz2" in archive.getnames()
    first = file.sha256
    assert nats.lock()["nats_tss"]["1.0"][folder.name]["sha256"] == first
    (nats.root / "store" / first).unlink()
    (file.path).unlink()
    (folder / "meta.pickle.pbz2").touch()
    assert nats.fetch("nats_tss").files[0].sha256 == first
    assert nats.stored() == {first}


def test_a_folder_by_url(world):
    members(world.root / "upstream" / "d")
    world.table({"name": "d", "form": "dir", "urls": ["file:../upstream/d"]})
    assert world.fetch().files[0].name == "d.tar"


def test_a_folder_with_strange_files_is_refused(nats):
    folder = nats.root / "dropin" / "NATS-tss-v1_0-3ffb9-simple"
    members(folder, "meta.pickle.pbz2", "evil.sh")
    assert "evil.sh" in nats.fails("nats_tss").found
    assert nats.stored() == set()


def test_real_nats_folders(realdata, world):
    name = "NATS-tss-v1_0-3ffb9-simple"
    world.table({"name": name, "form": "dir", "manual": "x"})
    (file,) = world.fetch(dropin=realdata / "nats").files
    with tarfile.open(file.path) as archive:
        for member in archive:
            body = archive.extractfile(member).read()
            assert body == (realdata / "nats" / member.name).read_bytes()


# ---------------------------------------------------------------- refusals


def test_every_place_is_listed_in_one_error(nats):
    dropin = nats.root / "dropin"
    (dropin / "NATS-tss-v1_0-3ffb9.pickle.pbz2").write_bytes(b"truncated")
    (dropin / "NATS-tss-v1_0-3ffb9-simple").write_bytes(b"a file, not a folder")
    error = nats.fails("nats_tss")
    lines = error.found.strip().split("\n")
    assert len(lines) == 6
    assert "no NATS-tss-v1_0-3ffb9-simple.tar in" in lines[0]
    assert "end of the MD5" in lines[1]
    assert "no such folder" in lines[2]
    assert all("no urls in the table" in line for line in lines[3:])
    assert str(dropin) in error.todo
    assert error.todo.count("Open the Drive folder.") == 1
    assert error.todo.endswith("Unpack the tar.")
    assert nats.stored() == set()
    assert nats.lock() == {}


def test_without_a_dropin_folder_the_error_tells_how_to_name_one(nats):
    assert "--config dropin=" in nats.fails("nats_tss", dropin=None).todo


def test_a_folder_under_a_files_name(world):
    (world.root / "dropin" / "x").mkdir()
    world.table({"name": "x", "manual": "ask"})
    assert "a folder" in world.fails().found


@pytest.mark.parametrize(
    ("pin", "word"),
    [({"sha256": "0" * 64}, "SHA-256"), ({"bytes": 5}, "size"), ({"md5_suffix": "00000"}, "MD5")],
)
def test_a_wrong_file_is_never_stored_locked_or_linked(world, pin, word):
    world.table({"name": "x", "urls": [world.upstream("x")], **pin})
    assert word in world.fails().found
    assert world.stored() == set()
    assert world.lock() == {}
    assert not (world.root / "raw").exists()


def test_a_damaged_store_is_noticed_and_repaired(world):
    world.table({"name": "x", "urls": [world.upstream("x")]})
    world.fetch()
    stored = world.root / "store" / sha(BODY)
    stored.chmod(0o644)
    stored.write_bytes(b"bit rot, under every name")
    (again,) = world.fetch().files
    assert again.path.read_bytes() == BODY
    assert "has been damaged" in "\n".join(world.lines)
    assert world.stored() == {sha(BODY), f"{sha(BODY)}.damaged"}


def test_the_disk_is_checked_before_a_download_and_a_copy(world):
    world.table({"name": "x", "urls": ["https://127.0.0.1:9/x"], "bytes_about": 10**18})
    with pytest.raises(DiskSpaceError) as caught:
        world.fetch()
    assert "nds 1 EB" in caught.value.expected
    assert world.lines == []
    world.table({"name": "x", "urls": [world.upstream("x")]})
    with pytest.raises(DiskSpaceError, match="building it"):
        world.fetch(disk_factor=1e18)


def test_what_has_arrived_already_needs_no_disk_twice(world, monkeypatch):
    import collections

    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, 60))
    world.table({"name": "x", "urls": ["http://127.0.0.1:9/x"], "bytes": 100})
    with pytest.raises(DiskSpaceError):
        world.fetch()
    (world.root / "store" / ".partial" / "0123456789abcdef-x.part").write_bytes(b"0" * 50)
    assert "Refused" in world.fails().found  # there is room for the rest: the server was asked
