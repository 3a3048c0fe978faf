"""What papers and code of NAS-Bench-201 and NATS-Bench say about their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nasbase.benchmarks.nats_common.datasets import DATASETS, IMAGES
from nasbase.benchmarks.room import Facts, column_note

_REPOSITORY = "D-X-Y/NATS-Bench"
_ISSUE_SIZES = "NATS-Bench issue 36"
_ISSUE_TIMES = "NATS-Bench issue 54"
_ISSUE_CIFAR10 = "NATS-Bench issue 27"
_ISSUE_SEEDS = "NATS-Bench issue 30"

_EVERY_SCHEDULE = {
    "batch size": "256",
    "learning rate": "cosine decay from 0.1 to 0 over the schedule",
    "optimizer": "SGD with Nesterov momentum 0.9",
    "weight decay": "0.0005",
    "loss": "cross-entropy",
    "normalisation": "mean and standard deviation of each channel",
    "random flip": "horizontal, with probability 0.5",
}
_CROP = {
    name: "16x16 after padding by 2" if name == "ImageNet16-120" else "32x32 after padding by 4"
    for name in DATASETS
}
_NETWORK = {
    "topology": "3x3 stem of 16 channels, 3 stages of 5 cells, channels double per stage",
    "size": "3x3 stem, 3 stages of one cell, residual blocks between them; c0 to c4 channels",
}
_SEEDS = {
    ("topology", 12): "111; cifar10-valid also 777",
    ("topology", 200): "one to three of 777, 888, 999",
    ("size", 1): "777",
    ("size", 12): "777, 888, 999",
    ("size", 90): "777",
}

_MEANINGS = {
    ("cifar10-valid", "train"): "Half of CIFAR-10's training images.",
    ("cifar10-valid", "x-valid"): "The other half of CIFAR-10's training images.",
    ("cifar10-valid", "ori-test"): "CIFAR-10's test images.",
    ("cifar10", "train"): "All of CIFAR-10's training images.",
    ("cifar10", "ori-test"): "CIFAR-10's test images.",
    ("cifar100", "train"): "All of CIFAR-100's training images.",
    ("cifar100", "x-valid"): "Half of CIFAR-100's test images.",
    ("cifar100", "x-test"): "The other half of CIFAR-100's test images.",
    ("cifar100", "ori-test"): "All of CIFAR-100's test images: x_valid and x_test together.",
    ("ImageNet16-120", "train"): "Training images of 120 classes of ImageNet at 16x16 pixels.",
    ("ImageNet16-120", "x-valid"): "Half of the validation images of these classes.",
    ("ImageNet16-120", "x-test"): "The other half of the validation images of these classes.",
    ("ImageNet16-120", "ori-test"): "All of these images: x_valid and x_test together.",
}


def facts(benchmark: str, release: str) -> Facts:
    """Training setups, splits and notes on columns of a release."""
    return Facts(list(_setups(benchmark)), list(_splits()), [*_notes(benchmark, release)])


def _setups(benchmark: str) -> Iterator[Mapping[str, Any]]:
    space = "size" if benchmark == "nats_sss" else "topology"
    for dataset in DATASETS:
        settings = {
            **_EVERY_SCHEDULE,
            "random crop": _CROP[dataset],
            "network": _NETWORK[space],
            "training images": str(IMAGES[dataset]["train"]),
        }
        for setting, value in settings.items():
            yield {"dataset": dataset, "num_epochs": 0, "setting": setting, "value": value}
        for (of_space, num_epochs), seeds in _SEEDS.items():
            if of_space == space:
                yield {
                    "dataset": dataset,
                    "num_epochs": num_epochs,
                    "setting": "seeds",
                    "value": seeds,
                }


def _splits() -> Iterator[Mapping[str, Any]]:
    for dataset, splits in IMAGES.items():
        for split, images in splits.items():
            yield {
                "dataset": dataset,
                "split": split.replace("-", "_"),
                "images": images,
                "evaluated": images,
                "meaning": _MEANINGS[dataset, split],
            }


def _notes(benchmark: str, release: str) -> Iterator[Mapping[str, Any]]:
    notes = [*_EVERY_NOTES, *(_SIZE_NOTES if benchmark == "nats_sss" else _TOPOLOGY_NOTES)]
    if benchmark == "nb201" and release == "1.0":
        notes = [*_EVERY_NOTES, *_FIRST_RELEASE_NOTES]
    for columns, code, sentence, reference in notes:
        kind = "erratum" if code == "sizes-of-another-run" else "by_design"
        for column in columns:
            for table in ("trials", "curves") if column not in _TRIALS_ONLY else ("trials",):
                yield column_note(table, column, code, sentence, reference, kind=kind)


_TRIALS_ONLY = {"params_m", "flops_m", "latency_s", "run", "seed"}
_EVAL_TIMES = ("x_valid_time_s", "x_test_time_s", "ori_test_time_s")

_Note = tuple[tuple[str, ...], str, str, str | None]

_EVERY_NOTES: tuple[_Note, ...] = (
    (
        ("ori_test_acc_pct", "ori_test_loss"),
        "union-of-halves",
        (
            "On cifar100 and ImageNet16-120 these images are those of x_valid and x_test "
            "together: choosing by ori_test there is choosing on the test images."
        ),
        _REPOSITORY,
    ),
    (
        ("x_valid_acc_pct", "x_valid_loss", "x_valid_time_s"),
        "no-validation-on-cifar10",
        (
            "The data set cifar10 trains on all training images and has no validation split; "
            "cifar10-valid trains on one half of them and validates on the other."
        ),
        _ISSUE_CIFAR10,
    ),
    (
        ("x_test_acc_pct", "x_test_loss", "x_test_time_s"),
        "no-x-test-on-cifar10",
        "cifar10 and cifar10-valid are tested on ori_test only.",
        _ISSUE_CIFAR10,
    ),
)

_PRESENCE: tuple[_Note, ...] = (
    (
        ("x_valid_acc_pct", "x_valid_loss"),
        "last-epoch-only",
        (
            "In 200-epoch runs x_valid was evaluated after every epoch on cifar10-valid and "
            "only after the last one on cifar100 and ImageNet16-120."
        ),
        _REPOSITORY,
    ),
    (
        ("x_test_acc_pct", "x_test_loss"),
        "last-epoch-only",
        "In 200-epoch runs x_test was evaluated only after the last epoch.",
        _REPOSITORY,
    ),
    (
        ("ori_test_acc_pct", "ori_test_loss"),
        "last-epoch-only",
        "In 200-epoch runs on cifar10-valid ori_test was evaluated only after the last epoch.",
        _REPOSITORY,
    ),
    (
        ("train_acc5_pct",),
        "short-runs-only",
        "Top-5 accuracy was not recorded in 200-epoch runs.",
        _REPOSITORY,
    ),
    (
        ("seed",),
        "runs-differ",
        "Architectures have one, two or three 200-epoch runs; seed 999 is the one missing most.",
        _ISSUE_SEEDS,
    ),
    (
        ("params_m", "flops_m"),
        "sizes-of-another-run",
        (
            "Some 200-epoch runs carry the sizes of another cell that computes the same "
            "function; the table costs has the right ones, and each such run has a note of its "
            "own."
        ),
        _ISSUE_SIZES,
    ),
)

_TOPOLOGY_NOTES: tuple[_Note, ...] = (
    *_PRESENCE,
    (
        ("train_time_s",),
        "pseudo-time",
        (
            "One constant per architecture and data set over all epochs, schedules and seeds: "
            "the mean epoch of the 12-epoch cifar10-valid run of seed 777, times the number of "
            "training images over 25,000."
        ),
        _ISSUE_TIMES,
    ),
    (
        _EVAL_TIMES,
        "pseudo-time",
        (
            "Images of the split times one constant per architecture: the time per image of "
            "evaluating x_valid and ori_test in the 12-epoch cifar10-valid run of seed 777."
        ),
        _ISSUE_TIMES,
    ),
    (
        ("latency_s",),
        "one-latency",
        (
            "One measurement per architecture and data set stands in all its runs; cifar10 and "
            "cifar10-valid share the mean of theirs."
        ),
        _REPOSITORY,
    ),
)

_FIRST_RELEASE_NOTES: tuple[_Note, ...] = (
    *_PRESENCE,
    (
        ("train_time_s", *_EVAL_TIMES),
        "no-time",
        "Release 1.0 has no times for 200-epoch runs.",
        "AutoDL-Projects issue 55",
    ),
)

_SIZE_NOTES: tuple[_Note, ...] = (
    (
        ("train_time_s", *_EVAL_TIMES),
        "one-time",
        (
            "One constant per architecture, data set and split over all epochs, schedules and "
            "seeds: measured in the one-epoch run of seed 777."
        ),
        _REPOSITORY,
    ),
    (
        ("latency_s",),
        "one-latency",
        (
            "One value per architecture and data set stands in all its runs: the mean over "
            "splits of evaluation time per batch of 256 images."
        ),
        _REPOSITORY,
    ),
)
