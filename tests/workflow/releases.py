"""Small releases in upstream's formats, legal but awkward, written without any code of nasbase.

Orders are shuffled, optional things are missing, fields that nobody knows are there: whatever the
formats allow. All numbers are made up, so every release is called `sample-<something>`.
"""

from __future__ import annotations

import base64
import bz2
import hashlib
import itertools
import json
import math
import pickle
import random
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

SCALAR = np.float64(0).__reduce__()[0]


def shuffled(rng: random.Random, mapping: dict) -> dict:
    items = list(mapping.items())
    rng.shuffle(items)
    return type(mapping)(items)


def describe(path: Path, form: str | None = None) -> dict:
    """Row of the sources table of a file or folder; a folder's digest is left to the lock."""
    row = {"name": path.name, "form": form, "urls": [f"file:{path.name}"]}
    if path.is_file():
        data = path.read_bytes()
        row |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return row


def write_table(path: Path, releases: dict[str, dict[str, list[dict]]], **marks: object) -> None:
    """``releases``: benchmark -> release -> files. JSON is YAML, too."""
    marks = {"synthetic": True, "partial": True, **marks}
    table: dict = {}
    for benchmark, rows in releases.items():
        for i, (release, files) in enumerate(rows.items()):
            status = "supported" if i else "latest"
            table.setdefault(benchmark, {})[release] = {"status": status, **marks, "files": files}
    path.write_text(json.dumps(table, indent=1))


# ---------------------------------------------------------------------------------------------
# NAS-Bench-101

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
LABELS = {"input": -1, "output": -2, **{name: i for i, name in enumerate(OPERATIONS)}}


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _bit in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = _crc_table()


def masked_crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    checks = (struct.pack("<I", masked_crc(data)) for data in (length, payload))
    return length + next(checks) + payload + next(checks)


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def double(number: int, value: float) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<d", value)


def delimited(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def unknown_fields(rng: random.Random) -> bytes:
    """One field of some wire type under a number that upstream does not use."""
    number = rng.randrange(7, 5000)
    return rng.choice(
        [
            b"",
            varint(number << 3) + varint(rng.getrandbits(63)),
            double(number, rng.random()),
            delimited(number, rng.randbytes(rng.randrange(9))),
            varint(number << 3 | 3) + double(1, 7.0) + varint(number << 3 | 4),
            varint(number << 3 | 5) + rng.randbytes(4),
        ]
    )


def metrics_message(
    params: int, points: Sequence[Sequence[float]], total: float, rng: random.Random | None = None
) -> bytes:
    """ModelMetrics; with ``rng`` fields are unknown, absent where 0, and in any order."""
    evaluations = []
    for point in points:
        fields = [double(i + 1, value) for i, value in enumerate(point) if value or not rng]
        if rng:
            fields += [rng.choice([b"", delimited(6, b""), delimited(6, b"/ckpt")])]
            fields += [unknown_fields(rng)]
            rng.shuffle(fields)
        evaluations.append(delimited(1, b"".join(fields)))
    scalars = [varint(2 << 3) + varint(params), double(3, total)]
    if rng:
        evaluations.insert(rng.randrange(4), unknown_fields(rng))
        scalars.append(unknown_fields(rng))
        rng.shuffle(scalars)
        return b"".join(rng.choice([evaluations + scalars, scalars + evaluations]))
    return b"".join(evaluations + scalars)


def nb101_hash(matrix: list[list[int]], operations: Sequence[str]) -> str:
    size = len(matrix)

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    into = [[u for u in range(size) if matrix[u][v]] for v in range(size)]
    out = [[w for w in range(size) if matrix[v][w]] for v in range(size)]
    marks = [md5(str((len(out[v]), len(into[v]), LABELS[operations[v]]))) for v in range(size)]
    for _round in range(size):
        marks = [
            md5(
                "".join(sorted(marks[u] for u in into[v]))
                + "|"
                + "".join(sorted(marks[w] for w in out[v]))
                + "|"
                + marks[v]
            )
            for v in range(size)
        ]
    return md5(str(sorted(marks)))


def nb101_params(matrix: list[list[int]], operations: Sequence[str]) -> int:
    size = len(matrix)

    def conv(kernel: int, before: int, after: int) -> int:
        return kernel * kernel * before * after + 2 * after

    def module(before: int, after: int) -> int:
        inner = range(1, size - 1)
        feeders = [v for v in inner if matrix[v][-1]]
        channels = dict.fromkeys(inner, 0)
        for i, v in enumerate(feeders):
            channels[v] = after // len(feeders) + (i < after % len(feeders))
        for v in reversed(inner):
            if v not in feeders:
                channels[v] = max(channels[w] for w in inner if matrix[v][w])
        total = conv(1, before, after) if matrix[0][-1] else 0
        for v in inner:
            total += conv(1, before, channels[v]) if matrix[0][v] else 0
            kernel = {OPERATIONS[0]: 3, OPERATIONS[1]: 1}.get(operations[v])
            total += conv(kernel, channels[v], channels[v]) if kernel else 0
        return total

    stacks = sum(
        module(before, width) + 2 * module(width, width)
        for before, width in ((128, 128), (128, 256), (256, 512))
    )
    return conv(3, 3, 128) + stacks + 512 * 10 + 10


def nb101_cell(rng: random.Random) -> tuple[list[list[int]], list[str]]:
    """A random cell that cannot be pruned."""
    while True:
        size = rng.choice([2, 3, 4, 5, 6, 7, 7, 7])
        matrix = [[int(u < v and rng.random() < 0.5) for v in range(size)] for u in range(size)]
        columns = [*zip(*matrix, strict=True)]
        used = all(any(row) for row in matrix[:-1]) and all(any(c) for c in columns[1:])
        if used and sum(map(sum, matrix)) <= 9:
            return matrix, ["input", *rng.choices(OPERATIONS, k=size - 2), "output"]


def nb101_row(
    matrix: list[list[int]], operations: Sequence[str], epochs: object, metrics: str, **json_style
) -> bytes:
    adjacency = "".join(str(bit) for row in matrix for bit in row)
    text = nb101_hash(matrix, operations)
    row = [text, epochs, adjacency, ",".join(operations), metrics]
    return json.dumps(row, **json_style).encode()


def float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def nb101(
    folder: Path,
    seed: int,
    cells: int = 9,
    schedules: Sequence[int] = (4, 12, 108),
    *,
    complete: bool = False,
) -> Path:
    """With ``complete`` every cell has three trainings of every schedule."""
    rng = random.Random(seed)
    by_hash = {}
    while len(by_hash) < cells:
        cell = nb101_cell(rng)
        by_hash[nb101_hash(*cell)] = cell
    payloads = []
    for cell in by_hash.values():
        params = nb101_params(*cell)
        own = rng.sample(schedules, rng.randrange(1, len(schedules) + 1))
        for epochs in schedules if complete else own:
            for _repeat in range(3 if complete else rng.choice([3, 3, 1])):
                seconds = rng.uniform(2, 20) * epochs
                points = [
                    [epochs * share, float32(seconds * share)]
                    + [float32(rng.randrange(9985) / 9984) for _split in range(3)]
                    for share in (0.0, 0.5, 1.0)
                ]
                message = metrics_message(params, points, seconds + rng.random(), rng)
                wrap = rng.choice([base64.encodebytes, base64.b64encode])
                row = nb101_row(
                    *cell,
                    rng.choice([epochs, epochs, str(epochs)]),
                    wrap(message).decode(),
                    separators=rng.choice([(",", ":"), (", ", ": "), (" ,\n ", ":")]),
                )
                payloads.append(rng.choice([row, row.replace(b"/", rb"\/")]))
    rng.shuffle(payloads)
    path = folder / f"nasbench_{seed}.tfrecord"
    path.write_bytes(b"".join(map(frame, payloads)))
    return path


# ---------------------------------------------------------------------------------------------
# NATS-Bench and NAS-Bench-201: records

IMAGES = {
    "cifar10-valid": {"train": 25_000, "x-valid": 25_000, "ori-test": 10_000},
    "cifar10": {"train": 50_000, "ori-test": 10_000},
    "cifar100": {"train": 50_000, "x-valid": 5_000, "x-test": 5_000, "ori-test": 10_000},
    "ImageNet16-120": {"train": 151_700, "x-valid": 3_000, "x-test": 3_000, "ori-test": 6_000},
}
CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
CELL_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
SIZE_CELL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
ROUNDS = {"01": 1, "12": 12, "90": 90, "200": 200, "full": 200, "less": 12}


def topologies() -> list[str]:
    pattern = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    strings = [pattern.format(*ops) for ops in itertools.product(CELL_OPERATIONS, repeat=6)]
    random.Random(88).shuffle(strings)
    return strings


def sizes() -> list[str]:
    return [":".join(map(str, c)) for c in itertools.product(range(8, 65, 8), repeat=5)]


SPACES = {"nats_tss": topologies(), "nats_sss": sizes(), "nb201": topologies()}


def topology_costs(text: str, dataset: str) -> tuple[int, int]:
    ones, threes = text.count("nor_conv_1x1"), text.count("nor_conv_3x3")
    params = 73_306 + 28_000 * ones + 243_040 * threes
    if dataset == "ImageNet16-120":
        return params + 7150, 1_953_400 + 983_040 * ones + 8_847_360 * threes
    more = 5850 if dataset == "cifar100" else 0
    return params + more, 7_783_050 + more + 3_932_160 * ones + 35_389_440 * threes


def size_costs(text: str, dataset: str) -> tuple[int, int]:
    c0, c1, c2, c3, c4 = map(int, text.split(":"))
    size, classes = (16 if dataset == "ImageNet16-120" else 32), CLASSES[dataset]
    params = macs = 0

    def conv(before: int, after: int, kernel: int, pixels: int, norm: int = 2) -> None:
        nonlocal params, macs
        params += before * after * kernel**2 + norm * after
        macs += before * after * kernel**2 * pixels**2

    def cell(before: int, after: int, pixels: int) -> None:
        for source in (before, before, after, after, after):
            conv(source, after, 3, pixels)
        if before != after:
            conv(before, after, 1, pixels)

    def residual(before: int, after: int, pixels: int) -> None:
        conv(before, after, 3, pixels)
        conv(after, after, 3, pixels)
        conv(before, after, 1, pixels, norm=0)

    conv(3, c0, 3, size)
    cell(c0, c0, size)
    residual(c0, c1, size // 2)
    cell(c1, c2, size // 2)
    residual(c2, c3, size // 4)
    cell(c3, c4, size // 4)
    linear = c4 * classes + classes
    return params + 2 * c4 + linear, macs + linear


COSTS = {"nats_tss": topology_costs, "nats_sss": size_costs, "nb201": topology_costs}


def runs_of(benchmark: str, hp: str, rng: random.Random) -> dict[str, list[int]]:
    """Seeds by data set, as upstream has them."""
    if benchmark == "nats_sss":
        return {name: [777, 888, 999] if hp == "12" else [777] for name in IMAGES}
    if ROUNDS[hp] == 12:
        return {name: [111, 777] if name == "cifar10-valid" else [111] for name in IMAGES}
    seeds = sorted(rng.sample([777, 888, 999], rng.randrange(1, 4)))
    return dict.fromkeys(IMAGES, seeds)


def _values(rng: random.Random, kind: str) -> float:
    if kind == "loss":
        odd = [math.nan, math.inf, 0.0, 5e-324]
        return rng.choice(odd) if rng.random() < 0.05 else rng.uniform(0, 9)
    if kind == "times":
        return rng.uniform(0.1, 30)
    return rng.choice([0.0, 100.0]) if rng.random() < 0.02 else rng.uniform(0, 100)


def arch_config(benchmark: str, arch_str: str, dataset: str) -> dict:
    config = {"arch_str": arch_str, "class_num": CLASSES[dataset]}
    if benchmark == "nats_sss":
        return config | {"name": "infer.shape.tiny", "channels": arch_str, "genotype": SIZE_CELL}
    return config | {"channel": 16, "num_cells": 5}


def result_state(
    benchmark: str, arch_str: str, pair: tuple[str, int], epochs: int, rng: random.Random
) -> dict:
    """A ResultsCount state with gaps: points, tables and scalars may be missing."""
    dataset, seed = pair
    last = epochs - rng.choice([0, 0, 0, 0, 1]) if epochs > 1 else 1

    def curve(kind: str, make: type = dict) -> dict:
        points = [(e, _values(rng, kind)) for e in range(last)]
        if rng.random() < 0.2:  # a few points were lost
            points = [point for point in points if rng.random() < 0.7]
        if rng.random() < 0.2:
            rng.shuffle(points)
        return make(points)

    def evaluations(kind: str) -> dict:
        table = {}
        for name in list(IMAGES[dataset])[1:]:
            only_last = kind != "times" and epochs > 12 and rng.random() < 0.5
            points = curve(kind)
            table |= {f"{name}@{e}": points[e] for e in points if not only_last or e == epochs - 1}
        return shuffled(rng, table) if rng.random() < 0.2 else table

    owner = arch_str if rng.random() < 0.8 else rng.choice(SPACES[benchmark])  # wrong sizes
    params, flops = COSTS[benchmark](owner, dataset)
    config = arch_config(benchmark, arch_str, dataset)
    if rng.random() < 0.1:
        config["dropout"] = 0.25
    latency = [np.float64(rng.random()) for _one in range(rng.choice([1, 1, 1, 2]))]
    state = {
        "name": dataset,
        "train_acc1es": curve("acc") or {0: 1.0},
        "train_acc5es": None if rng.random() < 0.4 else curve("acc"),
        "train_losses": curve("loss"),
        "train_times": None if rng.random() < 0.2 else curve("times", OrderedDict),
        "arch_config": config,
        "params": None if rng.random() < 0.1 else np.float64(params / 1e6),
        "flop": flops / 1e6,
        "seed": f"{seed:04d}",
        "epochs": epochs,
        "latency": None if rng.random() < 0.3 else latency,
        "eval_names": list(IMAGES[dataset])[1:],
        "eval_acc1es": evaluations("acc"),
        "eval_times": {} if rng.random() < 0.2 else evaluations("times"),
        "eval_losses": evaluations("loss"),
        "net_state_dict": None,
    }
    if rng.random() < 0.1:
        state["comment"] = ["kept as it is", 1.5, None]
    return state


def record(benchmark: str, index: int, hps: Sequence[str], rng: random.Random) -> dict:
    """One architecture's records, trials in any order."""
    found = OrderedDict() if benchmark != "nb201" else {}
    # A string of its own, as every unpickled member has one.
    arch_str = "".join(SPACES[benchmark][index])
    for hp in hps:
        seeds = runs_of(benchmark, hp, rng)
        if benchmark == "nb201" and hp == "less":  # as in release 1.0
            seeds = {"cifar10-valid": [111, 777]}
        pairs = [(dataset, seed) for dataset in seeds for seed in seeds[dataset]]
        rng.shuffle(pairs)
        found[hp] = {
            "arch_index": index,
            "arch_str": arch_str,
            "all_results": {
                pair: result_state(benchmark, arch_str, pair, ROUNDS[hp], rng) for pair in pairs
            },
            "dataset_seed": seeds,
            "clear_net_done": True,
        }
    return found


# ---------------------------------------------------------------------------------------------
# NATS-Bench and NAS-Bench-201: files


class OldNames(pickle._Pickler):
    """Writes numpy's names as they were until 2023: numpy.core, where today's are numpy._core."""

    def save_global(self, obj: object, name: str | None = None) -> None:
        if obj is not SCALAR:
            super().save_global(obj, name)
        elif self.proto >= 4:
            self.save("numpy.core.multiarray")
            self.save("scalar")
            self.write(pickle.STACK_GLOBAL)
            self.memoize(obj)
        else:
            self.write(pickle.GLOBAL + b"numpy.core.multiarray\nscalar\n")
            self.memoize(obj)


OldNames.dispatch = {**pickle._Pickler.dispatch, type(SCALAR): OldNames.save_global}


def dumps_old(obj: object, protocol: int) -> bytes:
    import io

    stream = io.BytesIO()
    OldNames(stream, protocol).dump(obj)
    return stream.getvalue()


Dumps = Callable[[object, int], bytes]


def head(benchmark: str, evaluated: object) -> dict:
    strings = list(SPACES[benchmark])
    return {
        "meta_archs": strings,
        "total_archs": len(strings),
        "arch2infos": None,
        "evaluated_indexes": evaluated,
    }


def nats_dir(folder: Path, benchmark: str, records: dict[int, dict], rng: random.Random) -> Path:
    """A folder of members, under either of the two names that upstream reads."""
    path = folder / f"NATS-{benchmark[-3:]}-{rng.randrange(1000)}-simple"
    path.mkdir()
    for index, one in records.items():
        dumps = rng.choice([dumps_old, pickle.dumps])
        name = rng.choice([f"{index:06d}", str(index)])
        (path / f"{name}.pickle.pbz2").write_bytes(bz2.compress(dumps(one, 4)))
    meta = pickle.dumps(head(benchmark, set()), 4)
    (path / "meta.pickle.pbz2").write_bytes(bz2.compress(meta))
    return path


def nats_tar(members: Path, rng: random.Random) -> Path:
    """The folder as a tar, in an order of its own, with the headers of today's tar."""
    path = members.with_suffix(".tar")
    files = sorted(members.iterdir())
    rng.shuffle(files)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(members, members.name, recursive=False)
        for file in files:
            archive.add(file, f"{members.name}/{file.name}")
    return path


def nats_pickle(
    folder: Path,
    benchmark: str,
    records: dict[int, dict],
    rng: random.Random,
    dumps: Dumps = pickle.dumps,
) -> Path:
    path = folder / f"NATS-{benchmark[-3:]}-{rng.randrange(1000)}.pickle.pbz2"
    document = head(benchmark, set(records)) | {"arch2infos": shuffled(rng, records)}
    path.write_bytes(bz2.compress(dumps(shuffled(rng, document), 4)))
    return path


TORCH_MAGIC = 0x1950A86A20F9469CFC6C
TORCH_SYSTEM = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


def nb201(
    folder: Path, records: dict[int, dict], container: str, rng: random.Random, dumps: Dumps
) -> Path:
    path = folder / f"NAS-Bench-201-{container}-{rng.randrange(1000)}.pth"
    document = head("nb201", sorted(records)) | {"arch2infos": shuffled(rng, records)}
    body = dumps(shuffled(rng, document), 2)
    if container == "legacy":
        parts = [pickle.dumps(part, 2) for part in (TORCH_MAGIC, 1001, TORCH_SYSTEM)]
        path.write_bytes(b"".join([*parts, body, pickle.dumps([], 2)]))
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", body)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/version", b"3\n")
    return path


# ---------------------------------------------------------------------------------------------
# NDS

NDS_STEMS = (
    "Amoeba", "Amoeba_in", "DARTS", "DARTS_fix-w-d", "DARTS_in", "DARTS_lr-wd", "DARTS_lr-wd_in",
    "ENAS", "ENAS_fix-w-d", "ENAS_in", "NASNet", "NASNet_in", "PNAS", "PNAS_fix-w-d", "PNAS_in",
    "ResNeXt-A", "ResNeXt-A_in", "ResNeXt-B", "ResNeXt-B_in", "ResNet-B", "ResNet", "ResNet_lr-wd",
    "ResNet_lr-wd_in", "ResNet_reruns", "ResNet_rng1", "ResNet_rng2", "ResNet_rng3", "Vanilla",
    "Vanilla_lr-wd", "Vanilla_lr-wd_in", "Vanilla_reruns", "Vanilla_rng1", "Vanilla_rng2",
    "Vanilla_rng3",
)  # fmt: skip
"""In the order in which NNI's converter reads them."""

NDS_OPERATIONS = ("none", "skip_connect", "max_pool_3x3", "sep_conv_5x5", "conv_7x1_1x7")


def nds_net(stem: str, rng: random.Random) -> dict:
    if stem.startswith(("ResN", "Vanilla")):
        stages = rng.randrange(1, 4)
        kind = "res_bottleneck_block" if "ResNeXt" in stem or "ResNet-B" in stem else "res_basic"
        net = {
            "block_type": "double_plain_block" if stem.startswith("Vanilla") else kind,
            "ds": [1, *rng.choices(range(1, 17), k=stages)],
            "ss": [1, *rng.choices([1, 2], k=stages)],
            "ws": [16, *rng.choices([16, 32, 64, 256], k=stages)],
            "num_gs": [1, *rng.choices([1, 2, 4], k=stages)] if kind != "res_basic" else [],
            "bot_muls": [0.0, *rng.choices([0.25, 0.5, 1.0], k=stages)]
            if kind != "res_basic"
            else [],
            "se_on": False,
        }
    else:
        genotype = {}
        for cell in ("normal", "reduce"):
            nodes = rng.randrange(1, 6)
            genotype[cell] = [
                [rng.choice(NDS_OPERATIONS), rng.randrange(i // 2 + 2)] for i in range(2 * nodes)
            ]
            genotype[f"{cell}_concat"] = list(range(2, nodes + 2))
        net = {
            "genotype": shuffled(rng, genotype),
            "depth": rng.randrange(4, 20),
            "width": rng.randrange(4, 64),
            "aux": rng.choice([True, False]),
            "drop_prob": rng.choice([0.0, 0, 0.2]),
        }
    return shuffled(rng, net)


def nds_job(net: dict, stem: str, rng: random.Random) -> dict:
    epochs = 5 if "_in" in stem else 8
    tuned = "lr-wd" in stem

    def errors(length: int) -> list:
        odd = [math.nan, 100, 0]
        return [rng.choice([rng.uniform(0, 100)] * 20 + odd) for _point in range(length)]

    lengths = [epochs - rng.choice([0, 0, 0, 0, 2]) for _series in range(3)]
    test = errors(lengths[1])
    known = [value for value in test if not math.isnan(value)]
    samples = rng.randrange(7)
    job = {
        "net": net,
        "optim": {
            "base_lr": rng.uniform(1e-3, 1) if tuned else 0.1,
            "wd": rng.uniform(1e-5, 1e-2) if tuned else 5e-4,
            "max_ep": epochs,
            **({"lr_policy": "cos"} if rng.random() < 0.3 else {}),
        },
        "train_ep_top1": errors(lengths[0]),
        "test_ep_top1": test,
        "train_ep_loss": [rng.choice([math.nan, rng.uniform(0, 9), 3]) for _e in range(lengths[2])],
        "job_id": rng.randrange(10**6),
        "rng_seed": rng.randrange(1, 5),
        "exp_mem": rng.choice([1, 2.5]),
        "act_mem": rng.uniform(1, 9),
        "prec_time": rng.choice([0.5, {"fwd": 0.25, "bwd": 0.5}]),
        "iter_time": rng.random(),
        "params": rng.randrange(10**7),
        "flops": rng.randrange(10**10),
        **({"min_test_top1": min(known)} if known else {}),
        "train_it_loss": [rng.choice([math.nan, rng.random()]) for _s in range(samples)],
        "train_it_top1": errors(samples - rng.choice([0, 0, min(samples, 1)])),
        "note": {"deep": [1, 2.5, None, "ö"]},
    }
    optional = ("job_id", "exp_mem", "prec_time", "train_it_loss", "train_it_top1", "rng_seed")
    return shuffled(
        rng, {key: value for key, value in job.items() if key not in optional or rng.random() < 0.8}
    )


def nds(folder: Path, seed: int, stems: Sequence[str] = NDS_STEMS) -> Path:
    rng = random.Random(seed)
    shared = {family: [nds_net(family, rng) for _n in range(3)] for family in ("ResNet", "Vanilla")}
    path = folder / f"nds-{seed}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("nds_data/LICENSE", "made up")
        for stem in rng.sample(stems, len(stems)):
            # Reruns and other seeds train the same networks again.
            family = shared.get(stem.split("_")[0])
            nets = family if family and "lr-wd" not in stem else [nds_net(stem, rng)]
            jobs = [
                nds_job(net, stem, rng) for net in nets for _again in range(rng.randrange(1, 3))
            ]
            document: object = jobs
            if stem.endswith("_reruns"):
                document = shuffled(rng, {"top": jobs[1:], "mid": jobs[:1]})
            text = json.dumps(
                document, indent=rng.choice([None, 1]), ensure_ascii=rng.random() < 0.5
            )
            archive.writestr(f"nds_data/{stem}.json", text)
    return path
