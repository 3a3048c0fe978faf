"""Long tables as dense blocks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nasbase.store import curves


@pytest.mark.parametrize("most", [1, 12, 1 << 20])
def test_blocks_are_bounded_and_hold_every_point(tmp_path, monkeypatch, most):
    """Trials of 5 and of 2 epochs, some of them with their last point alone."""
    monkeypatch.setattr(curves, "BLOCK_VALUES", most)
    rows = []
    for trial in range(9):
        epochs = 5 if trial % 3 else 2
        for epoch in range(1 if trial % 2 else epochs, epochs + 1):
            loss = None if epoch == 2 else trial + epoch / 10
            rows.append({"trial_id": trial, "epochs": epochs, "epoch": epoch, "loss": loss})
    path = tmp_path / "curves.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    found = []
    for block in curves.blocks(path, ["loss"], point="epoch", first_point=1, length="epochs"):
        assert block.values.size <= max(most, block.length)
        for number, trial in enumerate(block.rows["trial_id"].to_pylist()):
            points = np.flatnonzero(block.present[number, 0]).tolist()
            found += [(trial, p + 1, float(block.values[number, 0, p])) for p in points]
    wanted = [(row["trial_id"], row["epoch"], row["loss"]) for row in rows if row["loss"]]
    assert sorted(found) == wanted
