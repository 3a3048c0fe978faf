"""The best networks of a build: tables with strings to copy, and pictures."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from nasbase.report.cells import draw
from nasbase.report.data import Installed, Setting, full_settings
from nasbase.report.html import copyable, details, table

ROWS = 5


def _top(values: np.ndarray, count: int) -> np.ndarray:
    """Places of the largest numbers, largest first; NaN is none."""
    order = np.argsort(-np.where(np.isfinite(values), values, -np.inf), kind="stable")
    return order[: min(count, int(np.isfinite(values).sum()))]


def best_tables(build: Installed) -> str:
    """The best by every split that is evaluated, per data set, at the longest schedule."""
    parts = []
    for number, setting in enumerate(full_settings(build.settings)):
        made = "".join(
            _table(build, setting, split)
            for split in build.splits
            if split != "train" and np.isfinite(setting.accuracy(split)).any()
        )
        opened = details(setting.label, made)
        parts.append(opened.replace("<details>", "<details open>") if number == 0 else opened)
    return "".join(parts)


def _table(build: Installed, setting: Setting, split: str) -> str:
    values, spread = setting.accuracy(split), setting.columns[f"{split}_acc_pct_sd"]
    others = [
        other
        for other in build.splits
        if other != split and np.isfinite(setting.accuracy(other)).any()
    ]
    rows = []
    for i in _top(values, ROWS):
        subject = int(setting.ids[i])
        rows.append(
            [
                str(subject),
                f"{values[i]:.3f}",
                _number(spread[i]),
                str(setting.n[i]),
                *(_number(setting.accuracy(other)[i]) for other in others),
                copyable(build.name(subject)),
            ]
        )
    head = [build.subject, split, "sd", "runs", *others]
    return table(
        [*head, "architecture"],
        rows,
        sides=">" * len(head) + "<",
        caption=f"Best by mean {split} accuracy (%), {setting.label}",
    )


def _number(value: float) -> str:
    """Percent with two digits; empty where there is none."""
    return f"{value:.2f}" if np.isfinite(value) else ""


def best_cells(build: Installed) -> str:
    """Pictures of the best by validation and by test accuracy of each data set and family."""
    shown: dict[int, tuple[dict[str, Any], list[str]]] = {}
    for setting in full_settings(build.settings):
        for role in ("valid", "test"):
            found = build.by_role(setting, role)
            if found is None or not np.isfinite(found[1]).any():
                continue
            (best,) = _top(found[1], 1)
            row = build.architecture(int(setting.ids[best]))
            said = f"best {role} of {setting.label}: {found[1][best]:.2f} %"
            shown.setdefault(row["arch_id"], (row, []))[1].append(said)
    parts = []
    for arch_id, (row, reasons) in shown.items():
        text = "<br>".join(map(escape, reasons))
        parts.append(
            f'<figure class="cell">{draw(build.benchmark, row)}<figcaption>arch_id {arch_id}<br>'
            f"{text}</figcaption></figure>"
        )
    return f'<div class="cells">{"".join(parts)}</div>'
