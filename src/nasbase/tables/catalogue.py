"""The column catalogue: the one description of every table and column of every benchmark.

Arrow schemas (`nasbase.tables.arrow`), SQLite tables (`nasbase.tables.models`), the shard format
(`nasbase.tables.shards`) and the ``columns`` table inside every artifact are derived from it.
"""

from __future__ import annotations

from functools import cache

from nasbase.tables.columns import Column, Table, Type, nullable

SCHEMA_VERSION = 2
"""Version of the tables' layout; readers refuse artifacts of a version that they do not know."""

BENCHMARKS = ("nb101", "nb201", "nats_tss", "nats_sss", "nds")
NATS_RECORDS = ("nb201", "nats_tss", "nats_sss")
"""Benchmarks whose raw records are NATS-Bench ``ArchResults``."""

TOPOLOGY_EDGES = ("op_0_1", "op_0_2", "op_1_2", "op_0_3", "op_1_3", "op_2_3")

SPLITS = {
    "nb101": ("train", "valid", "test"),
    "nb201": ("train", "x_valid", "x_test", "ori_test"),
    "nats_tss": ("train", "x_valid", "x_test", "ori_test"),
    "nats_sss": ("train", "x_valid", "x_test", "ori_test"),
    "nds": ("train", "test"),
}

_ARCH_ID_MEANING = {
    "nb101": "Architecture: rank of its hash among the hashes of this build.",
    "nb201": "Architecture: upstream's index, 0 to 15,624.",
    "nats_tss": "Architecture: upstream's index, 0 to 15,624.",
    "nats_sss": "Architecture: upstream's index, 0 to 32,767.",
    "nds": "Architecture: rank of its canonical specification in this build.",
}


def _arch_id(benchmark: str) -> Column:
    return Column("arch_id", "int32", _ARCH_ID_MEANING[benchmark], origin="identifier")


_TRIAL_ID = Column("trial_id", "int32", "Trial: one training of one network.", origin="identifier")
_CONFIG_ID = Column(
    "config_id",
    "int32",
    "Configuration: architecture, data set, proposer, generator and hyper-parameters.",
    origin="identifier",
)
_DATASET = Column("dataset", "string", "Data set in upstream's spelling.", upstream="dataset")
_NUM_EPOCHS = Column(
    "num_epochs", "int16", "Length of the training schedule.", "epochs", upstream="epochs"
)
_RUN = Column(
    "run",
    "int16",
    "Repetition of the same training, counted from 0.",
    origin="identifier",
)


# ---------------------------------------------------------------------------------------------
# series: what is recorded along a training


def _nats_series() -> tuple[Column, ...]:
    columns = []
    for split in SPLITS["nats_tss"]:
        train = split == "train"
        key = "train_acc1es" if train else f"eval_acc1es['{split.replace('_', '-')}@*']"
        loss = "train_losses" if train else key.replace("acc1es", "losses")
        time = "train_times" if train else key.replace("acc1es", "times")
        columns.append(
            Column(f"{split}_acc_pct", "float64", f"Top-1 accuracy on {split}.", "%", key)
        )
        if train:
            columns.append(
                Column("train_acc5_pct", "float64", "Top-5 accuracy on train.", "%", "train_acc5es")
            )
        columns.append(
            Column(f"{split}_loss", "float64", f"Mean cross-entropy on {split}.", "nat", loss)
        )
        meaning = "Seconds of training of this epoch." if train else f"Seconds to evaluate {split}."
        columns.append(Column(f"{split}_time_s", "float64", meaning, "s", time))
    return nullable(columns)


def _nb101_series() -> tuple[Column, ...]:
    elapsed = Column(
        "elapsed_train_time_s",
        "float64",
        "Seconds of training from the start to this epoch, evaluation excluded.",
        "s",
        "evaluation_data.training_time",
    )
    accuracies = [
        Column(
            f"{split}_acc_pct",
            "float64",
            f"Accuracy on {split}: the released fraction times 100 in float64.",
            "%",
            f"evaluation_data.{name}_accuracy",
        )
        for split, name in (("train", "train"), ("valid", "validation"), ("test", "test"))
    ]
    return nullable([elapsed, *accuracies])


def _nds_series() -> tuple[Column, ...]:
    return nullable(
        [
            Column("train_err_pct", "float64", "Top-1 error on train.", "%", "train_ep_top1"),
            Column("test_err_pct", "float64", "Top-1 error on test.", "%", "test_ep_top1"),
            Column("train_loss", "float64", "Mean cross-entropy on train.", "nat", "train_ep_loss"),
            Column("train_acc_pct", "float64", "100 minus train_err_pct.", "%", origin="computed"),
            Column("test_acc_pct", "float64", "100 minus test_err_pct.", "%", origin="computed"),
        ]
    )


@cache
def series(benchmark: str) -> tuple[Column, ...]:
    """The columns of ``curves`` that hold one value per trial and epoch, in stored order."""
    if benchmark == "nb101":
        return _nb101_series()
    return _nds_series() if benchmark == "nds" else _nats_series()


SAMPLE_SERIES = nullable(
    [
        Column(
            "train_loss",
            "float64",
            "Cross-entropy of the sampled iteration.",
            "nat",
            "train_it_loss",
        ),
        Column(
            "train_err_pct",
            "float64",
            "Top-1 error of the sampled iteration.",
            "%",
            "train_it_top1",
        ),
    ]
)
"""The columns of ``iterations`` (nds) that hold one value per trial and sample."""


# ---------------------------------------------------------------------------------------------
# architectures, configurations, costs


def _architectures(benchmark: str) -> Table:
    arch_str = Column("arch_str", "string", "Architecture string as released.", upstream="arch_str")
    own: tuple[Column, ...]
    if benchmark == "nb101":
        own = (
            Column("hash", "string", "MD5 hash of the cell, the same for isomorphic cells.", upstream="module_hash"),
            Column("num_vertices", "int8", "Vertices of the cell, input and output included.", origin="computed"),
            Column("num_edges", "int8", "Edges of the cell.", origin="computed"),
            Column("adjacency", "string", "Adjacency matrix, row by row, as a string of 0 and 1.", upstream="adjacency"),
            Column("operations", "string", "Operation of each vertex, joined by commas.", upstream="operations"),
        )  # fmt: skip
        indexes: tuple[tuple[str, ...], ...] = (("hash",),)
    elif benchmark == "nats_sss":
        layers = tuple(
            Column(f"c{i}", "int8", f"Output channels of layer {i}.", "channels", origin="computed")
            for i in range(5)
        )
        own, indexes = (arch_str, *layers), (("arch_str",),)
    elif benchmark == "nds":
        own = (
            Column("model_family", "string", "nas_cell, residual_bottleneck, residual_basic or vanilla.", upstream="net"),
            Column("model_spec", "string", "Macro structure as canonical JSON.", upstream="net"),
            Column("cell_spec", "string", "Cell structure as canonical JSON; {} outside nas_cell.", upstream="net.genotype"),
        )  # fmt: skip
        indexes = (("model_family",),)
    else:
        edges = tuple(
            Column(
                edge, "string", f"Operation on the edge {edge[3]} to {edge[5]}.", origin="computed"
            )
            for edge in TOPOLOGY_EDGES
        )
        isomorphism = Column(
            "isomorphism_class",
            "int32",
            "Cells that compute the same function share it: the lowest index of the class.",
            origin="computed",
        )
        own, indexes = (arch_str, *edges, isomorphism), (("arch_str",), ("isomorphism_class",))
    return Table(
        "architectures",
        "One row per architecture.",
        (_arch_id(benchmark), *own),
        key=("arch_id",),
        indexes=indexes,
    )


CONFIGURATION_COLUMNS = (
    Column("proposer", "string", "Search space that the network was drawn for.", upstream="file name"),
    Column("generator", "string", "How it was drawn: random, fix_w_d or tune_lr_wd.", upstream="file name"),
    Column("base_lr", "float64", "Initial learning rate.", upstream="optim.base_lr"),
    Column("weight_decay", "float64", "Weight decay.", upstream="optim.wd"),
)  # fmt: skip


def _configurations() -> Table:
    return Table(
        "configurations",
        "One row per architecture, data set and way of training it.",
        (_CONFIG_ID, _arch_id("nds"), _DATASET, *CONFIGURATION_COLUMNS, _NUM_EPOCHS),
        key=("config_id",),
        indexes=(("arch_id",), ("dataset", "proposer", "generator")),
    )


def _costs(benchmark: str) -> Table:
    return Table(
        "costs",
        "Size of every architecture, computed from its structure.",
        (
            _arch_id(benchmark),
            _DATASET,
            Column("params", "int64", "Trainable parameters.", "parameters", origin="computed", nullable=True),
            Column("macs", "int64", "Operations of one forward pass as upstream counts them.", "multiply-accumulates", origin="computed", nullable=True),
        ),
        key=("arch_id", "dataset"),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------
# trials, curves, means


def recorded(benchmark: str) -> tuple[Column, ...]:
    """Scalars that upstream recorded once per trial."""
    if benchmark == "nb101":
        return (
            Column("params", "int32", "Trainable parameters.", "parameters", "trainable_parameters"),
            Column("total_time_s", "float64", "Seconds of training, evaluation and bookkeeping.", "s", "total_time", nullable=True),
        )  # fmt: skip
    if benchmark == "nds":
        return nullable(
            [
                Column("params", "int64", "Trainable parameters.", "parameters", "params"),
                Column("flops", "int64", "Operations of one forward pass.", "operations", "flops"),
                Column("iter_time_s", "float64", "Seconds per training iteration.", "s", "iter_time"),
                Column("min_test_err_pct", "float64", "Lowest test error of the run.", "%", "min_test_top1"),
                Column("exp_mem", "float64", "Memory expected for the training.", "", "exp_mem"),
                Column("act_mem", "float64", "Memory used by the training.", "", "act_mem"),
                Column("prec_time_s", "float64", "Seconds of the timing run where one number was released; several stand in extra.", "s", "prec_time"),
                Column("job_id", "int64", "Number of the training job.", "", "job_id"),
            ]
        )  # fmt: skip
    return nullable(
        [
            Column("params_m", "float64", "Parameters as released.", "million parameters", "params"),
            Column("flops_m", "float64", "Multiply-accumulates as released.", "million multiply-accumulates", "flop"),
            Column("latency_s", "float64", "Seconds per batch of 256 images.", "s", "latency[0]"),
        ]
    )  # fmt: skip


_TRAIN_TIME_TOTAL = Column(
    "train_time_total_s",
    "float64",
    "Seconds of training, all epochs; NULL where an epoch's time was not released.",
    "s",
    origin="computed",
    nullable=True,
)


def _byte_range(benchmark: str) -> tuple[Column, ...]:
    """Columns that say which bytes hold a record, where a file holds many of them."""
    if benchmark == "nds":  # its jobs stand in JSON, which is found by position
        return ()
    what = {
        "nb101": "frame of the record in source_file",
        "nb201": "architecture's entry in the pickle of source_file",
    }.get(
        benchmark, "architecture's entry in the unpacked source_file; NULL: it is all of a member"
    )
    null = benchmark in ("nats_tss", "nats_sss")
    return (
        Column("source_offset", "int64", f"First byte of the {what}.", "B", origin="provenance", nullable=null),
        Column("source_bytes", "int64", f"Bytes of the {what}.", "B", origin="provenance", nullable=null),
    )  # fmt: skip


def provenance(benchmark: str) -> tuple[Column, ...]:
    """Columns that say where in the raw release a trial stands."""
    group = (
        (Column("source_group", "string", "List inside the file: top or mid, in reruns files.", origin="provenance", nullable=True),)
        if benchmark == "nds"
        else ()
    )  # fmt: skip
    return (
        Column("source_file", "string", "Raw file, or member of the raw archive.", origin="provenance"),
        *group,
        Column("source_pos", "int32", "Position of the record in source_file (and source_group), from 0.", origin="provenance"),
        *_byte_range(benchmark),
        Column("extra", "string", "What upstream recorded beyond the columns, as JSON.", nullable=True),
    )  # fmt: skip


def _seed(benchmark: str) -> Column:
    meaning = (
        "Not recorded by NAS-Bench-101; always NULL."
        if benchmark == "nb101"
        else "Random seed of the training."
    )
    upstream = {"nb101": "", "nds": "rng_seed"}.get(benchmark, "seed")
    return Column(
        "seed", "int32", meaning, upstream=upstream, nullable=benchmark in ("nb101", "nds")
    )


def _computed(
    name: str, type_: Type, meaning: str, *, unit: str = "", null: bool = False
) -> Column:
    return Column(name, type_, meaning, unit, origin="computed", nullable=null)


def _config_id(benchmark: str) -> tuple[Column, ...]:
    return (_CONFIG_ID,) if benchmark == "nds" else ()


def trial_identity(benchmark: str) -> tuple[Column, ...]:
    """Columns that say what was trained, and which repetition it is."""
    return (_arch_id(benchmark), *_config_id(benchmark), _DATASET, _NUM_EPOCHS, _RUN)


def _trials(benchmark: str) -> Table:
    subject = ("config_id",) if benchmark == "nds" else ("arch_id", "dataset", "num_epochs")
    return Table(
        "trials",
        "One row per training; every series stands with its value after the last epoch.",
        (
            _TRIAL_ID,
            *trial_identity(benchmark),
            _seed(benchmark),
            *series(benchmark),
            _TRAIN_TIME_TOTAL,
            *recorded(benchmark),
            *provenance(benchmark),
        ),
        key=("trial_id",),
        indexes=(subject, ("arch_id",)) if benchmark == "nds" else (subject,),
    )


def _curves(benchmark: str) -> Table:
    epoch = Column(
        "epoch",
        "int16",
        "0, half and full schedule."
        if benchmark == "nb101"
        else "Epoch of the curve, counted from 1.",
        upstream="current_epoch" if benchmark == "nb101" else "epoch + 1",
        origin="identifier",
    )
    identity = [column for column in trial_identity(benchmark) if column.name != "config_id"]
    return Table(
        "curves",
        "One row per training and epoch.",
        (_TRIAL_ID, *identity, epoch, *series(benchmark)),
        key=("trial_id", "epoch"),
    )


def _iterations() -> Table:
    sample = Column("sample", "int32", "Sample along the run, counted from 0.", origin="identifier")
    return Table(
        "iterations",
        "One row per training and sampled iteration.",
        (_TRIAL_ID, sample, *SAMPLE_SERIES),
        key=("trial_id", "sample"),
    )


def final_values(benchmark: str) -> tuple[Column, ...]:
    """Float columns of ``trials`` that are averaged over repetitions in ``means``."""
    times = [_TRAIN_TIME_TOTAL]
    return (*series(benchmark), *times, *(c for c in recorded(benchmark) if c.name in _AVERAGED))


_AVERAGED = {"latency_s", "total_time_s", "iter_time_s", "min_test_err_pct"}


def _means(benchmark: str) -> Table:
    subject = (_CONFIG_ID,) if benchmark == "nds" else (_arch_id(benchmark),)
    statistics: list[Column] = []
    for column in final_values(benchmark):
        statistics.append(
            Column(
                f"{column.name}_mean",
                "float64",
                f"Mean of {column.name} over the n runs; NULL unless every run has it.",
                column.unit,
                origin="computed",
                nullable=True,
            )
        )
        statistics.append(
            Column(
                f"{column.name}_sd",
                "float64",
                f"Sample standard deviation of {column.name}; NULL where n is 1.",
                column.unit,
                origin="computed",
                nullable=True,
            )
        )
    key = (subject[0].name, "dataset", "num_epochs")
    accuracies = [
        c.name for c in statistics if c.name.endswith("_acc_pct_mean") and not c.name.startswith("train")
    ]  # fmt: skip
    return Table(
        "means",
        "One row per architecture (nds: configuration), data set and schedule: mean over runs.",
        (
            *subject,
            _DATASET,
            _NUM_EPOCHS,
            Column("n", "int16", "Number of runs.", "runs", origin="computed"),
            *statistics,
        ),
        key=key,
        indexes=tuple(("dataset", "num_epochs", name) for name in accuracies),
    )


# ---------------------------------------------------------------------------------------------
# summaries, computed from means and trials


def _best(benchmark: str) -> Table:
    nds = benchmark == "nds"
    subject = (_CONFIG_ID, _arch_id(benchmark)) if nds else (_arch_id(benchmark),)
    seed = "Seed of the run; NULL where run is, and where none was released."
    return Table(
        "best",
        "The ten best networks by each role, schedule and rule. Equal values: the lower id first; "
        "NaN and NULL have no place.",
        (
            _computed("dataset", "string", "Data set as the papers name it, whatever was measured on."),
            _computed("role", "string", "What the number is for: valid, to choose by; test, to report."),
            _NUM_EPOCHS,
            _computed("rule", "string", "mean: mean over the runs; single: the best single run of each network."),
            _computed("rank", "int8", "Place, from 1."),
            _computed("measured_on", "string", "Data set whose trainings have the value: `cifar10-valid` for valid on `cifar10`."),
            _computed("split", "string", "Split whose accuracy the value is."),
            *subject,
            _computed("run", "int16", "Run that reached the value; NULL: mean over the runs.", null=True),
            _computed("seed", "int32", seed, null=True),
            _computed("n", "int16", "Runs that the value is of.", unit="runs"),
            _computed("value", "float64", "Accuracy that decides.", unit="%"),
            _computed("test_acc_pct", "float64", "Mean over the runs of the same network's accuracy in role test on this data set: what a paper reports of the network that it chose. NULL unless every run has it.", unit="%", null=True),
        ),
        key=("dataset", "role", "num_epochs", "rule", "rank"),
        indexes=(("arch_id",),),
    )  # fmt: skip


def _rank_correlation(benchmark: str) -> Table:
    nds = benchmark == "nds"
    sides = [
        column
        for side in ("x", "y")
        for column in (
            _computed(f"{side}_dataset", "string", f"Data set of {side}'s trainings."),
            _computed(f"{side}_split", "string", f"Split whose accuracy {side} is."),
            _computed(f"{side}_num_epochs", "int16", f"Schedule of {side}'s trainings.", unit="epochs"),
            _computed(f"{side}_run", "int16", f"Run of {side}'s trainings; NULL: mean over the runs.", null=True),
        )
    ]  # fmt: skip
    proposer = _computed("proposer", "string", "Search space whose networks are compared.")
    undefined = "NULL where one side is constant."
    return Table(
        "rank_correlation",
        "How far two accuracies put the same networks in the same order: over all, and over the "
        "best of them.",
        (
            _computed("comparison_id", "int32", "Pair of accuracies, counted from 0.")._replace(origin="identifier"),
            _computed("top_pct", "int8", "Share of the networks that is compared: the best by y (the full schedule, the other data set, the test split, the later run), at least 2; equal values: the lower id first.", unit="%"),
            _computed("kind", "string", "What differs: schedules (y: the longer one), datasets, splits (x: valid, y: test; nds: train, test), seeds (two of the first five runs of the same training), or proxy (x: valid after a shorter schedule, y: test after the longest)."),
            *((proposer,) if nds else ()),
            *sides,
            _computed("n", "int32", "Networks compared: those of the share that have both accuracies.", unit="networks"),
            _computed("pearson", "float64", f"Linear correlation. {undefined}", null=True),
            _computed("spearman", "float64", f"Rank correlation, equal values sharing their mean rank. {undefined}", null=True),
            _computed("kendall_tau_b", "float64", f"Kendall's rank correlation, corrected for equal values. {undefined}", null=True),
        ),
        key=("comparison_id", "top_pct"),
        indexes=(("kind", "x_dataset", "y_dataset"),),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------
# tables that describe


def _described(name: str, type_: str, meaning: str, *, null: bool = False) -> Column:
    return Column(name, type_, meaning, origin="described", nullable=null)  # type: ignore[arg-type]


NOTES = Table(
    "notes",
    "What is known about a row or a column that its value does not say.",
    (
        Column("note_id", "int32", "Note, counted from 0.", origin="identifier"),
        _described("table", "string", "Table that the note is about."),
        _described("key", "string", "Key of the row as JSON; NULL: every row.", null=True),
        _described("column", "string", "Column that the note is about; NULL: the row.", null=True),
        _described("kind", "string", "erratum, by_design, outcome or nan."),
        _described("code", "string", "Short name of what was found."),
        _described("sentence", "string", "What was found, in one sentence."),
        Column("value", "float64", "Right value, where it can be computed.", origin="computed", nullable=True),
        _described("reference", "string", "Where upstream or its users discuss it.", null=True),
    ),
    key=("note_id",),
    indexes=(("table", "key"), ("kind",)),
)  # fmt: skip

TRAINING_SETUPS = Table(
    "training_setups",
    "How each schedule trained.",
    (
        _described("dataset", "string", "Data set."),
        _described("num_epochs", "int16", "Length of the schedule; 0: every schedule."),
        _described("setting", "string", "Name of the setting."),
        _described("value", "string", "Value of the setting."),
    ),
    key=("dataset", "num_epochs", "setting"),
)

SPLITS_TABLE = Table(
    "splits",
    "Images per split.",
    (
        _described("dataset", "string", "Data set."),
        _described("split", "string", "Split, as the columns name it."),
        _described("images", "int32", "Number of images.", null=True),
        _described("evaluated", "int32", "Images that an accuracy is computed on.", null=True),
        _described("meaning", "string", "What the split is made of."),
    ),
    key=("dataset", "split"),
)

SOURCES_TABLE = Table(
    "sources",
    "Raw files that this build was made from.",
    (
        Column("file", "string", "Name of the raw file.", origin="provenance"),
        Column("form", "string", "Form of the file: tar, pickle or dir; NULL: single.", origin="provenance", nullable=True),
        Column("bytes", "int64", "Size of the file.", "B", origin="provenance"),
        Column("sha256", "string", "SHA-256 of the file.", origin="provenance"),
        Column("release", "string", "Release that the file belongs to.", origin="provenance"),
        Column("synthetic", "bool", "Whether its numbers are made up.", origin="provenance"),
        _described("citation", "string", "Publication to cite."),
        _described("homepage", "string", "Where upstream describes the release.", null=True),
        _described("code_licence", "string", "Licence of upstream's code."),
        _described("data_licence", "string", "What upstream says of the licence of its numbers."),
    ),
    key=("file",),
)  # fmt: skip

COLUMNS_TABLE = Table(
    "columns",
    "The column catalogue.",
    (
        _described("table", "string", "Table."),
        _described("position", "int16", "Position of the column in the table, from 0."),
        _described("column", "string", "Column."),
        _described("type", "string", "Type in Parquet."),
        _described("unit", "string", "Unit; empty where there is none."),
        _described("meaning", "string", "What the column says."),
        _described("upstream", "string", "Where the value stands in the released record."),
        _described("nullable", "bool", "Whether NULL may stand in the column."),
        _described("origin", "string", "released, computed, identifier, provenance or described."),
    ),
    key=("table", "position"),
)


SUMMARIES = ("best", "rank_correlation")
"""Tables that are computed from others when those are finished (`nasbase.tables.summaries`)."""


@cache
def tables(benchmark: str) -> dict[str, Table]:
    """Every table of one benchmark, by name."""
    if benchmark not in BENCHMARKS:
        raise KeyError(benchmark)
    nds = benchmark == "nds"
    described = (NOTES, TRAINING_SETUPS, SPLITS_TABLE, SOURCES_TABLE, COLUMNS_TABLE)
    all_tables = (
        _architectures(benchmark),
        *((_configurations(),) if nds else ()),
        _costs(benchmark),
        _trials(benchmark),
        _curves(benchmark),
        *((_iterations(),) if nds else ()),
        _means(benchmark),
        _best(benchmark),
        _rank_correlation(benchmark),
        *described,
    )
    return {table.name: table for table in all_tables}
