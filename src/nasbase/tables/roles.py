"""Which data set and split the papers choose by, and which they report."""

from __future__ import annotations

from collections.abc import Mapping

from nasbase.tables.catalogue import NATS_RECORDS, SPLITS

Roles = Mapping[str, Mapping[str, tuple[str, str]]]
"""Data set asked for -> role -> (data set, split) that answer."""

_HALVES = {"valid": "x_valid", "test": "x_test"}

_NATS_ROLES: Roles = {
    # cifar10 trains on all training images and has no validation split; cifar10-valid trains on
    # half of them. The papers choose by the one and report the other.
    "cifar10": {
        "train": ("cifar10", "train"),
        "valid": ("cifar10-valid", "x_valid"),
        "test": ("cifar10", "ori_test"),
    },
    "cifar10-valid": {
        "train": ("cifar10-valid", "train"),
        "valid": ("cifar10-valid", "x_valid"),
        "test": ("cifar10-valid", "ori_test"),
    },
    **{
        dataset: {
            "train": (dataset, "train"),
            **{role: (dataset, split) for role, split in _HALVES.items()},
        }
        for dataset in ("cifar100", "ImageNet16-120")
    },
}

ROLES: Mapping[str, Roles] = {
    "nb101": {"cifar10": {split: ("cifar10", split) for split in SPLITS["nb101"]}},
    **dict.fromkeys(NATS_RECORDS, _NATS_ROLES),
    "nds": {
        dataset: {split: (dataset, split) for split in SPLITS["nds"]}
        for dataset in ("cifar10", "imagenet")
    },
}
"""Which data set and split answer for a role, per benchmark and data set.

cifar100's and ImageNet16-120's ``ori_test`` holds the images of both halves, ``x_valid`` and
``x_test``: it is nobody's role."""
