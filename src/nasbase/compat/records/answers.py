"""What is said about one record: the numbers of all its sets at once, and lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasbase.compat.records.results import ArchResults


def more_info(
    record: ArchResults,
    dataset: str,
    iepoch: int | None,
    is_random: Any,
    *,
    comment: str | None = None,
    timeless: bool = True,
) -> dict[str, Any]:
    """What `get_more_info` gives, of one record.

    Parameters
    ----------
    is_random
        False: the mean of all trainings; a seed: that training.
    comment
        Value of the key ``comment``, which only CIFAR-10 has.
    timeless
        Whether missing times are None; else they are a `TypeError`, as upstream's division is.
    """

    def metrics(setname: str) -> dict[str, Any]:
        return record.get_metrics(dataset, setname, iepoch=iepoch, is_random=is_random)

    def optional(setname: str) -> dict[str, Any] | None:
        try:
            return metrics(setname)
        # Upstream takes every failure for "not recorded": a missing epoch or set, an unknown seed,
        # tables that somebody has replaced.
        except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError):
            return None

    groups: dict[str, dict[str, Any] | None] = {"train": metrics("train")}
    total = groups["train"]["iepoch"] + 1  # type: ignore[index]
    info = _group("train", groups["train"], total, timeless)
    if dataset == "cifar10-valid":
        groups = {"valid": metrics("x-valid"), "test": optional("ori-test")}
    elif dataset == "cifar10":
        test, valid = optional("ori-test"), optional("x-valid")
        groups = {"valid": valid, "test": test}
    else:
        test, valid, both = optional("x-test"), optional("x-valid"), optional("ori-test")
        groups = {"valid": valid, "test": test, "valtest": both}
    if comment is not None:
        info["comment"] = comment
    for name, found in groups.items():
        info |= _group(name, found, total, timeless)
    return info


def _group(name: str, found: dict[str, Any] | None, total: float, timeless: bool) -> dict[str, Any]:
    if found is None:
        return {}
    seconds = found["all_time"]
    return {
        f"{name}-loss": found["loss"],
        f"{name}-accuracy": found["accuracy"],
        f"{name}-per-time": None if seconds is None and timeless else seconds / total,
        f"{name}-all-time": seconds,
    }


def metric_text(found: dict[str, Any]) -> str:
    """Loss and accuracy as `query_info_str_by_arch` shows them."""
    return "loss = {:.3f} & top1 = {:.2f}%".format(found["loss"], found["accuracy"])


def information_lines(
    information: Any,
    extra_info: Any,
    sets: Mapping[str, Sequence[tuple[str, str]]],
    metric: Any = metric_text,
) -> list[str]:
    """The lines of `query_info_str_by_arch`.

    Parameters
    ----------
    information
        A record.
    sets
        Data set -> (label, set) of what is shown beside the training set; ``""``: all others.
    metric
        How loss and accuracy are written.
    """
    names = information.get_dataset_names()
    lines = [information.arch_str, f"datasets : {names}, extra-info : {extra_info}"]
    for dataset in names:
        costs = information.get_compute_costs(dataset)
        latency = costs["latency"]
        shown = f"{latency * 1000:.2f}" if latency is not None and latency > 0 else None
        lines.append(
            f"{dataset:14s} FLOP={costs['flops']:6.2f} M, Params={costs['params']:.3f} MB, "
            f"latency={shown} ms."
        )
        asked = [("train", "train"), *sets.get(dataset, sets[""])]
        found = [(label, information.get_metrics(dataset, name)) for label, name in asked]
        groups = ", ".join(f"{label} : [{metric(values)}]" for label, values in found)
        lines.append(f"{dataset:14s} {groups}")
    return lines
