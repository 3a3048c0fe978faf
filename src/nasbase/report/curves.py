"""Learning curves of all networks: bands that hold a part of them at every epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from nasbase.report.data import Installed
from nasbase.report.numbers import QuantileCounter, packed
from nasbase.report.vega import Figure, choice, chosen, colour_of_split, quantity, told

PROBABILITIES = [0.05, 0.25, 0.5, 0.75, 0.95]
NAMES = ["p5", "p25", "p50", "p75", "p95"]
BATCH_ROWS = 1 << 19


def fans(build: Installed) -> dict[tuple[int, str, int], list[float]]:
    """Quantiles by setting (its place), split and epoch, from one pass over the curves."""
    counter = QuantileCounter()
    setting_of = _setting_of_trial(build)
    series = [f"{split}_acc_pct" for split in build.splits]
    for batch in build.batches("curves", ["trial_id", "epoch", *series], BATCH_ROWS):
        setting = setting_of[batch["trial_id"].to_numpy()].astype(np.int64)
        place = setting * 1_000 + batch["epoch"].to_numpy()
        for split, name in zip(build.splits, series, strict=True):
            values = batch[name].to_numpy(zero_copy_only=False)
            valued = np.isfinite(values)
            if valued.any():
                places, which = np.unique(place[valued], return_inverse=True)
                keys = [(int(p // 1_000), split, int(p % 1_000)) for p in places]
                counter.add(keys, which, values[valued])
    return counter.quantiles(PROBABILITIES)


def _setting_of_trial(build: Installed) -> np.ndarray:
    """The place, among the settings, of every training."""
    family = build.families
    names = ["trial_id", "dataset", "num_epochs", *(["config_id"] if family is not None else [])]
    trials = build.read("trials", names)
    dataset = trials["dataset"].combine_chunks().dictionary_encode()
    words = dataset.dictionary.to_pylist()
    epochs = trials["num_epochs"].to_numpy()
    of_trial = np.full(int(trials["trial_id"].to_numpy().max(initial=-1)) + 1, -1, dtype=np.int16)
    for number, setting in enumerate(build.settings):
        inside = np.asarray(dataset.indices) == words.index(setting.dataset)
        inside &= epochs == setting.num_epochs
        if family is not None:
            inside &= family[trials["config_id"].to_numpy()] == setting.family
        of_trial[trials["trial_id"].to_numpy()[inside]] = number
    return of_trial


def figure(build: Installed) -> Figure | None:
    """Bands of 50 and 90 % of the trainings, and their median, by epoch."""
    found = fans(build)
    # One point is no curve: NATS-Bench evaluates some splits after the last epoch only.
    points: dict[tuple[int, str], int] = {}
    for setting, split, _ in found:
        points[setting, split] = points.get((setting, split), 0) + 1
    kept = sorted(key for key in found if points[key[:2]] > 1)
    if not kept:
        return None
    labels = [build.settings[setting].label for setting, _, _ in kept]
    columns: dict[str, Any] = {
        "setting": packed(labels),
        "split": packed([split for _, split, _ in kept]),
        "epoch": packed(np.array([epoch for _, _, epoch in kept])),
    }
    quantiles = np.array([found[key] for key in kept])
    columns |= {name: packed(quantiles[:, i]) for i, name in enumerate(NAMES)}
    epoch = quantity("epoch", "epoch")
    colour = colour_of_split(build.splits)
    layers = [
        _band("p5", "p95", 0.15, epoch, colour),
        _band("p25", "p75", 0.3, epoch, colour),
        {
            "mark": {"type": "line", "strokeWidth": 1.5, "point": {"size": 12, "opacity": 0.4}},
            "encoding": {
                "x": epoch,
                "y": quantity("p50", "accuracy (%)"),
                "color": colour,
                "tooltip": told("split", epoch="d", **dict.fromkeys(NAMES, ".2f")),
            },
        },
    ]
    spec = {
        "width": "container",
        "height": 300,
        "params": [choice("setting", "trained on", list(dict.fromkeys(labels)))],
        "data": {"name": "rows"},
        "transform": [chosen("setting")],
        "layer": layers,
    }
    return Figure(
        "curves",
        "Learning curves",
        "Every training, by epoch: median, the middle half, and all but the outer tenth; "
        f"known to {QuantileCounter.STEP / 2} percentage points.",
        spec,
        {"rows": columns},
    )


def _band(
    low: str, high: str, opacity: float, epoch: dict[str, Any], colour: dict[str, Any]
) -> dict[str, Any]:
    return {
        "mark": {"type": "area", "opacity": opacity},
        "encoding": {
            "x": epoch,
            "y": quantity(low, "accuracy (%)"),
            "y2": {"field": high},
            "color": colour,
        },
    }
