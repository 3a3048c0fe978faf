"""What the paper and the code of NAS-Bench-101 say about its numbers."""

from __future__ import annotations

from nasbase.benchmarks.nb101.convert import DATASET, EVALUATED_IMAGES, SCHEDULES
from nasbase.benchmarks.room import Facts, column_note

_PAPER = "Ying et al., NAS-Bench-101: Towards Reproducible Neural Architecture Search, ICML 2019"
_REPOSITORY = "google-research/nasbench"
_ISSUE_31 = "google-research/nasbench issue 31"

_EVERY_SCHEDULE = {
    "training images": "40000",
    "batch size": "256",
    "steps": "int(num_epochs * 40000 / 256)",
    "optimizer": "RMSProp",
    "learning rate": "cosine decay by step from 0.1 (times 2 on the TPU's shards)",
    "attempts": "up to 5 where a training failed with NaN or out of memory",
    "repeats": "3 per cell and schedule; no seeds are recorded",
    "network": "3x3 stem of 128 channels, 3 stacks of 3 cells, channels double per stack",
}


def facts(release: str) -> Facts:
    """Training setups, splits and notes of a release."""
    schedules = SCHEDULES.get(release, SCHEDULES["full"])
    setups = [
        {"dataset": DATASET, "num_epochs": 0, "setting": setting, "value": value}
        for setting, value in sorted(_EVERY_SCHEDULE.items())
    ]
    setups += [
        {
            "dataset": DATASET,
            "num_epochs": epochs,
            "setting": "evaluated at epochs",
            "value": f"0, {epochs // 2}, {epochs}",
        }
        for epochs in schedules
    ]
    return Facts(setups, _SPLITS, [column_note(*note) for note in _NOTES])


_SPLITS = [
    {
        "dataset": DATASET,
        "split": split,
        "images": images,
        "evaluated": EVALUATED_IMAGES,
        "meaning": meaning,
    }
    for split, images, meaning in (
        (
            "train",
            40_000,
            (
                "CIFAR-10 training images without those of valid; accuracies are computed on 39 "
                "batches of 256 of a fixed subset of 10,000."
            ),
        ),
        (
            "valid",
            10_000,
            "CIFAR-10 training images held out; accuracies are computed on 39 batches of 256.",
        ),
        ("test", 10_000, "CIFAR-10 test images; accuracies are computed on 39 batches of 256."),
    )
]

_NOTES = (
    (
        "curves",
        "epoch",
        "zero-learning-rate-step",
        (
            "Epoch 0 was evaluated after one step with learning rate 0: batch statistics are set, "
            "weights are not trained."
        ),
        _REPOSITORY,
    ),
    (
        "trials",
        "seed",
        "seeds-unrecorded",
        "Upstream recorded no seeds; run numbers follow the order of the records in the file.",
        _REPOSITORY,
    ),
    (
        "trials",
        "elapsed_train_time_s",
        "seconds",
        (
            "Times are in seconds, as released. NNI's databases multiply final training times by "
            "60, as if it were minutes, and leave the intermediate ones as they are."
        ),
        "microsoft/nni, nasbench101/db_gen.py",
    ),
    (
        "trials",
        "total_time_s",
        "total-time",
        (
            "Wall time of training, evaluations and bookkeeping together; upstream's API does not "
            "use it."
        ),
        _ISSUE_31,
    ),
    *(
        (
            "trials",
            f"{split}_acc_pct",
            "k-of-9984",
            (
                "Accuracies are multiples of 1/9984 in float32, often one unit in the last place "
                "below: evaluation drops the last, incomplete batch of 10,000 images."
            ),
            _REPOSITORY,
        )
        for split in ("train", "valid", "test")
    ),
    (
        "trials",
        "run",
        "no-selection",
        "Upstream's API answers with one of the three runs at random; here every run stands.",
        _PAPER,
    ),
    (
        "architectures",
        "adjacency",
        "one-of-many",
        "The cell as released: one of the isomorphic vertex orders that share the hash.",
        _REPOSITORY,
    ),
)
