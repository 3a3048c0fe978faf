"""Defects of raw files that were changed after the build was made of them."""

from __future__ import annotations

import base64
import json
import struct

from tampering import Copy, defect, next_up


def changed_metrics(payload: bytes, old: float, new: float) -> bytes:
    """A record of NAS-Bench-101 with another number in its metrics."""
    row = json.loads(payload)
    metrics = base64.b64decode(row[4])
    numbers = [struct.pack("<d", value) for value in (old, new)]
    assert metrics.count(numbers[0]) == 1
    row[4] = base64.b64encode(metrics.replace(*numbers)).decode()
    return json.dumps(row).encode()


@defect(
    "nb101",
    "raw file",
    "One number of a record is one ulp higher.",
    {"all.raw": "trial 5: total_time_s"},
)
def raw_nb101_one_ulp(copy: Copy) -> None:
    row = copy.row("trials", trial_id=5)

    def change(payloads: list[bytes]) -> None:
        at, old = row["source_pos"], row["total_time_s"]
        payloads[at] = changed_metrics(payloads[at], old, next_up(old))

    copy.raw_records(change)


@defect("nb101", "raw file", "Two records are exchanged.", {"all.raw": "trial 5: "})
def raw_nb101_exchanged(copy: Copy) -> None:
    one, two = (copy.row("trials", trial_id=i)["source_pos"] for i in (5, 9))

    def change(payloads: list[bytes]) -> None:
        payloads[one], payloads[two] = payloads[two], payloads[one]

    copy.raw_records(change)


@defect(
    "nb101",
    "raw file",
    "The last record is missing.",
    {"all.raw": "the second reading stopped", "all.sources": "bytes"},
)
def raw_nb101_missing(copy: Copy) -> None:
    copy.raw_records(lambda payloads: payloads[:-1])


@defect(
    "nb101", "raw file", "A record is there twice.", {"all.sources": "nasbench_sample.tfrecord has"}
)
def raw_nb101_twice(copy: Copy) -> None:
    copy.raw_records(lambda payloads: [*payloads, payloads[-1]])


@defect(
    "nb101",
    "raw file",
    "A record has another schedule.",
    {"all.raw": "trial 0: num_epochs: 4, raw 108"},
)
def raw_nb101_schedule(copy: Copy) -> None:
    at = copy.row("trials", trial_id=0)["source_pos"]

    def change(payloads: list[bytes]) -> None:
        row = json.loads(payloads[at])
        payloads[at] = json.dumps([row[0], 108, *row[2:]]).encode()

    copy.raw_records(change)


@defect(
    "nb101",
    "raw file",
    "The file ends in its middle.",
    {"all.raw": "the second reading stopped", "all.sources": "bytes"},
)
def raw_nb101_truncated(copy: Copy) -> None:
    copy.raw_bytes(lambda data: data[: len(data) // 2])


@defect(
    "nats_tss",
    "raw member",
    "One accuracy of a record is one ulp higher.",
    {"all.raw": "train_acc_pct at epoch 3"},
)
def raw_tss_one_ulp(copy: Copy) -> None:
    def change(record: dict) -> None:
        result = record["12"]["all_results"]["cifar100", 111]
        result["train_acc1es"][2] = next_up(result["train_acc1es"][2])

    copy.raw_record(0, change)


@defect(
    "nats_tss",
    "raw member",
    "Two seeds of a record are exchanged.",
    {"all.raw": "seed: 111, raw 777"},
)
def raw_tss_seeds(copy: Copy) -> None:
    def change(record: dict) -> None:
        found = record["12"]["all_results"]
        swap = {("cifar10-valid", 111): 777, ("cifar10-valid", 777): 111}
        record["12"]["all_results"] = {(key[0], swap.get(key, key[1])): found[key] for key in found}

    copy.raw_record(0, change)


@defect(
    "nats_tss",
    "raw member",
    "The last epoch of a curve is missing.",
    {"all.raw": "train_loss at epoch 12: "},
)
def raw_tss_last_epoch(copy: Copy) -> None:
    def change(record: dict) -> None:
        del record["12"]["all_results"]["cifar100", 111]["train_losses"][11]

    copy.raw_record(0, change)


@defect("nats_tss", "raw member", "An evaluation names another split.", {"all.raw": "at epoch 1"})
def raw_tss_split(copy: Copy) -> None:
    def change(record: dict) -> None:
        table = record["12"]["all_results"]["cifar100", 111]["eval_acc1es"]
        one, two = "x-valid@0", "x-test@0"
        table[one], table[two] = table[two], table[one]

    copy.raw_record(0, change)


@defect(
    "nats_tss",
    "raw file",
    "A member of the archive is missing.",
    {"all.raw": "was not found again"},
)
def raw_tss_member_missing(copy: Copy) -> None:
    copy.raw_members(lambda found: found.pop(next(n for n in found if "000000" in n)) and None)


@defect(
    "nats_tss",
    "raw file",
    "The archive has one architecture more.",
    {"all.raw": "no trial comes from 015624.pickle.pbz2"},
)
def raw_tss_member_added(copy: Copy) -> None:
    def change(members: dict[str, bytes]) -> None:
        name = next(name for name in members if "000000" in name)
        members[name.replace("000000", "015624")] = members[name]

    copy.raw_members(change)


@defect(
    "nats_sss", "raw file", "Two members of the archive are exchanged.", {"all.raw": "arch_str"}
)
def raw_sss_members(copy: Copy) -> None:
    def change(members: dict[str, bytes]) -> None:
        one, two = sorted(name for name in members if "meta" not in name)[:2]
        members[one], members[two] = members[two], members[one]

    copy.raw_members(change)


@defect("nats_sss", "raw member", "A latency is another one.", {"all.raw": "latency_s"})
def raw_sss_latency(copy: Copy) -> None:
    def change(record: dict) -> None:
        record["90"]["all_results"]["cifar10", 777]["latency"] = [0.25]

    copy.raw_record(0, change)


@defect(
    "nb201",
    "raw file",
    "One bit of a number in the pickle is flipped.",
    {"all.raw": "train_loss at epoch 7"},
)
def raw_nb201_bit(copy: Copy) -> None:
    trials = {r["trial_id"]: r for r in copy.rows("trials")}
    row = next(
        r
        for r in copy.rows("curves")
        if trials[r["trial_id"]]["num_epochs"] == 12 and r["epoch"] == 7
    )

    def change(data: bytes) -> bytes:
        number = struct.pack(">d", row["train_loss"])
        assert number in data
        return data.replace(number, number[:-1] + bytes([number[-1] ^ 1]), 1)

    copy.raw_bytes(change)


@defect(
    "nb201",
    "raw file",
    "The file ends in its middle.",
    {"all.raw": "the second reading stopped", "all.sources": "bytes"},
)
def raw_nb201_truncated(copy: Copy) -> None:
    copy.raw_bytes(lambda data: data[: len(data) // 2])


@defect(
    "nds",
    "raw member",
    "One error of a job is another one.",
    {"all.raw": "test_err_pct at epoch 4"},
)
def raw_nds_value(copy: Copy) -> None:
    def change(jobs: list) -> list:
        jobs[0]["test_ep_top1"][3] = next_up(jobs[0]["test_ep_top1"][3])
        return jobs

    copy.raw_jobs("ResNet", change)


@defect("nds", "raw member", "Two jobs of a file are exchanged.", {"all.raw": "trial "})
def raw_nds_exchanged(copy: Copy) -> None:
    copy.raw_jobs("DARTS", lambda jobs: [jobs[1], jobs[0], *jobs[2:]])


@defect(
    "nds",
    "raw member",
    "A job is missing.",
    {"all.raw": "('Amoeba.json', None, 1) was not found again"},
)
def raw_nds_missing(copy: Copy) -> None:
    copy.raw_jobs("Amoeba", lambda jobs: jobs[:-1])


@defect(
    "nds",
    "raw member",
    "A file has one job more.",
    {"all.raw": "('Amoeba.json', None, 2, None, None) stands in the raw files alone"},
)
def raw_nds_added(copy: Copy) -> None:
    copy.raw_jobs("Amoeba", lambda jobs: [*jobs, jobs[0]])


@defect(
    "nds", "raw member", "A learning rate is another one.", {"all.raw": "base_lr: 0.1, raw 0.2"}
)
def raw_nds_learning_rate(copy: Copy) -> None:
    def change(jobs: list) -> list:
        jobs[0]["optim"]["base_lr"] = 0.2
        return jobs

    copy.raw_jobs("ENAS", change)


@defect("nds", "raw member", "An edge of a cell comes from another node.", {"all.raw": "cell_spec"})
def raw_nds_edge(copy: Copy) -> None:
    def change(jobs: list) -> list:
        edge = jobs[0]["net"]["genotype"]["normal"][0]
        edge[1] = 1 - edge[1]
        return jobs

    copy.raw_jobs("DARTS", change)


@defect(
    "nds",
    "raw file",
    "A file of the archive is missing.",
    {"all.raw": "the second reading stopped: KeyError: 'ENAS.json'"},
)
def raw_nds_file(copy: Copy) -> None:
    copy.raw_jobs("ENAS", lambda _: None)


@defect(
    "nats_tss",
    "raw member",
    "A record says something that no column holds.",
    {"all.raw": "extra, note: None, raw"},
)
def raw_tss_extra(copy: Copy) -> None:
    def change(record: dict) -> None:
        record["12"]["all_results"]["cifar100", 111]["note"] = "retrained"

    copy.raw_record(0, change)


@defect(
    "nats_sss",
    "raw member",
    "A network was made with another number of classes.",
    {"all.raw": "extra, arch_config: None, raw"},
)
def raw_sss_configuration(copy: Copy) -> None:
    def change(record: dict) -> None:
        record["90"]["all_results"]["cifar10", 777]["arch_config"]["class_num"] = 11

    copy.raw_record(0, change)


@defect(
    "nds",
    "raw member",
    "A seed is too large for its column.",
    {"all.raw": f"extra, rng_seed: None, raw '{2**40}'"},
)
def raw_nds_seed(copy: Copy) -> None:
    copy.raw_jobs("ResNet", lambda jobs: [jobs[0] | {"rng_seed": 2**40}, *jobs[1:]])


@defect(
    "nds",
    "raw member",
    "A network has something that is not part of its specification.",
    {"all.raw": "extra, net"},
)
def raw_nds_net(copy: Copy) -> None:
    def change(jobs: list) -> list:
        jobs[0]["net"]["genotype"]["name"] = "best"
        return jobs

    copy.raw_jobs("DARTS", change)


@defect(
    "nats_tss",
    "raw member",
    "A loss is no number, but true.",
    {"all.raw": "train_loss at epoch 4: "},
)
def raw_tss_true(copy: Copy) -> None:
    def change(record: dict) -> None:
        losses = record["12"]["all_results"]["cifar100", 111]["train_losses"]
        losses[3] = True

    def one(rows: list[dict]) -> None:
        trial = copy.row("trials", arch_id=0, dataset="cifar100", num_epochs=12)["trial_id"]
        for row in rows:
            if (row["trial_id"], row["epoch"]) == (trial, 4):
                row["train_loss"] = 1.0

    copy.raw_record(0, change)
    copy.edit("curves", one)
