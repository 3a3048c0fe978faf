"""Data sets, splits and fixed settings that every ``ArchResults`` record refers to."""

from __future__ import annotations

from functools import cache
from typing import Any

DATASETS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
"""Data sets in upstream's spelling and order."""

CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}

IMAGES = {
    "cifar10-valid": {"train": 25_000, "x-valid": 25_000, "ori-test": 10_000},
    "cifar10": {"train": 50_000, "ori-test": 10_000},
    "cifar100": {"train": 50_000, "x-valid": 5_000, "x-test": 5_000, "ori-test": 10_000},
    "ImageNet16-120": {"train": 151_700, "x-valid": 3_000, "x-test": 3_000, "ori-test": 6_000},
}
"""Images per data set and split, in the order in which upstream evaluates the splits."""

IMAGE_SIZE = {"cifar10-valid": 32, "cifar10": 32, "cifar100": 32, "ImageNet16-120": 16}
"""Pixels along each side of an input image."""

EPOCHS = {"01": 1, "12": 12, "90": 90, "200": 200, "less": 12, "full": 200}
"""Length of each training schedule, by the name under which a record stands in its member
(NATS-Bench) or in its architecture (NAS-Bench-201: ``less`` and ``full``)."""

SHORT_SEED, FULL_SEEDS = 111, (777, 888, 999)
"""Seeds of upstream: of the 12-epoch trainings of the topology space, and of all others."""

SIZE_GENOTYPE = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
"""The one cell of all networks of the size space."""


@cache
def eval_sets(dataset: str) -> tuple[str, ...]:
    """Splits of a data set that upstream evaluates on."""
    return tuple(split for split in IMAGES[dataset] if split != "train")


def architecture_config(benchmark: str, arch_str: str, dataset: str) -> dict[str, Any]:
    """``arch_config`` as upstream records it: everything in it follows from the architecture."""
    classes = CLASSES[dataset]
    if benchmark == "nats_sss":
        return {
            "name": "infer.shape.tiny",
            "channels": arch_str,
            "arch_str": arch_str,
            "genotype": SIZE_GENOTYPE,
            "class_num": classes,
        }
    return {"channel": 16, "num_cells": 5, "arch_str": arch_str, "class_num": classes}
