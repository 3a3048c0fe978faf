"""The records of one architecture and of one training, with upstream's attributes and methods.

Upstream keeps both as plain objects full of dictionaries. Here a training that comes from a build
reads what it is asked for (`nasbase.compat.records.stored`), and becomes a plain object as soon as
someone could change it. Which exception is raised for what, and in which order things are looked
up, is upstream's: callers rely on both.
"""

from __future__ import annotations

import copy
import random
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self

    from nasbase.compat.records.stored import StoredTrial

MUTABLE = frozenset(
    (
        "train_acc1es",
        "train_acc5es",
        "train_losses",
        "train_times",
        "arch_config",
        "latency",
        "eval_names",
        "eval_acc1es",
        "eval_times",
        "eval_losses",
    )
)
"""Attributes of a training that are lists or dictionaries: whoever has one may change it."""

FIXED = ("name", "net_state_dict", "params", "flop", "seed", "epochs")


def mean(values: Sequence[Any]) -> Any:
    """Mean as upstream takes it: the built-in sum over the length."""
    return sum(values) / len(values)


class ResultsCount:
    """One training of one architecture: what was recorded after every epoch.

    Attributes are upstream's: ``train_acc1es`` (epoch from 0 -> percent), ``eval_acc1es``
    (``'<set>@<epoch>'`` -> percent), ``seed`` (text of four digits) and so on.
    """

    # What a build holds stands outside of __dict__: that is upstream's state and nothing else.
    __slots__ = ("__dict__", "__weakref__", "_stored")
    _stored: StoredTrial | None

    _mean: Callable[[Sequence[Any]], Any] = staticmethod(mean)
    _sum: Callable[[Sequence[Any]], Any] = staticmethod(sum)

    def __init__(
        self,
        name: Any,
        state_dict: Any,
        train_accs: Any,
        train_losses: Any,
        params: Any,
        flop: Any,
        arch_config: Any,
        seed: Any,
        epochs: Any,
        latency: Any,
    ) -> None:
        self._stored = None
        self.name = name
        self.net_state_dict = state_dict
        self.train_acc1es = copy.deepcopy(train_accs)
        self.train_acc5es: dict[int, float] | None = None
        self.train_losses = copy.deepcopy(train_losses)
        self.train_times: OrderedDict[int, float] | None = None
        self.arch_config = copy.deepcopy(arch_config)
        self.params = params
        self.flop = flop
        self.seed = seed
        self.epochs = epochs
        self.latency = latency
        self.reset_eval()

    # ------------------------------------------------------------------ from a build

    @classmethod
    def from_stored(cls, stored: StoredTrial) -> Self:
        """The training that a build holds; nothing is read yet."""
        self = cls.__new__(cls)
        self._stored = stored
        return self

    def __getattr__(self, name: str) -> Any:
        if name == "_stored":  # a copy in the making
            raise AttributeError(name)
        stored = self._stored
        if stored is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name in FIXED:
            return stored.attribute(name)
        if name in MUTABLE or name in stored.extra:
            value = self.__dict__[name] = stored.attribute(name)
            return value
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _untouched(self) -> StoredTrial | None:
        """What a build holds, as long as nobody can have changed it."""
        return None if self.__dict__ else self._stored

    def _become_plain(self) -> None:
        if self._stored is not None:
            state = {name: getattr(self, name) for name in self._stored.attributes}
            self.__dict__ = {**state, **self.__dict__}
            self._stored = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self).__new__(type(self))
        twin._stored = self._stored
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def __reduce__(self) -> tuple:
        return type(self).create_from_state_dict, (self.state_dict(),)

    # ------------------------------------------------------------------ changes

    def update_train_info(
        self, train_acc1es: Any, train_acc5es: Any, train_losses: Any, train_times: Any
    ) -> None:
        """Replace what was recorded on the training set."""
        self.train_acc1es = train_acc1es
        self.train_acc5es = train_acc5es
        self.train_losses = train_losses
        self.train_times = train_times

    def reset_pseudo_train_times(self, estimated_per_epoch_time: float) -> None:
        """Give every epoch the same training time."""
        self.train_times = OrderedDict.fromkeys(range(self.epochs), estimated_per_epoch_time)

    def reset_pseudo_eval_times(self, eval_name: str, estimated_per_epoch_time: float) -> None:
        """Give every epoch the same time of evaluating one set."""
        if eval_name not in self.eval_names:
            raise ValueError(f"invalid eval name : {eval_name}")
        for epoch in range(self.epochs):
            self.eval_times[f"{eval_name}@{epoch}"] = estimated_per_epoch_time

    def reset_eval(self) -> None:
        """Forget every evaluation."""
        self.eval_names: list[str] = []
        self.eval_acc1es: dict[str, float] = {}
        self.eval_times: dict[str, float] = {}
        self.eval_losses: dict[str, float] = {}

    def update_latency(self, latency: Any) -> None:
        """Replace the measured latencies."""
        self.latency = copy.deepcopy(latency)

    def update_eval(self, accs: Any, losses: Any, times: Any) -> None:
        """Add evaluations of every epoch, by ``'<set>@<epoch>'``."""
        for name in {key.split("@")[0] for key in accs}:
            if name in self.eval_names:
                self._fail(ValueError, f"{name} has already been added into eval-names")
            self.eval_names.append(name)
            for epoch in range(self.epochs):
                key = f"{name}@{epoch}"
                self.eval_acc1es[key] = accs[key]
                self.eval_losses[key] = losses[key]
                self.eval_times[key] = times[key]

    def update_OLD_eval(self, name: str, accs: Any, losses: Any) -> None:  # noqa: N802 - upstream's
        """Add evaluations of some epochs, by epoch."""
        if name in self.eval_names:
            raise AssertionError(f"{name} has already added")
        self.eval_names.append(name)
        for epoch in range(self.epochs):
            if epoch in accs:
                self.eval_acc1es[f"{name}@{epoch}"] = accs[epoch]
                self.eval_losses[f"{name}@{epoch}"] = losses[epoch]

    def clear_params(self) -> None:
        """Forget the weights, if there are any."""
        if self._untouched() is None:
            self.net_state_dict = None

    # ------------------------------------------------------------------ questions

    def get_latency(self) -> float:
        """Seconds per batch of 256 images; -1 where none was measured."""
        stored = self._untouched()
        latency = self.latency if stored is None else stored.latency
        return -1.0 if latency is None else sum(latency) / len(latency)

    def get_total_epoch(self) -> int:
        """Length of the schedule."""
        return copy.deepcopy(self.epochs)

    def get_times(self) -> dict[str, Any]:
        """Seconds per epoch and in total, of training and of evaluating each set."""
        stored = self._untouched()
        if stored is not None:
            return dict(stored.times(self._mean, self._sum))
        return self._times_of(self.train_times, self.eval_names, self._eval_seconds)

    def _eval_seconds(self, name: str) -> list[float] | None:
        try:
            return [self.eval_times[f"{name}@{epoch}"] for epoch in range(self.epochs)]
        # Upstream takes whatever goes wrong here for "not recorded": an epoch without a time, or
        # tables that somebody has replaced.
        except (LookupError, TypeError, AttributeError):
            return None

    def _times_of(
        self, train: Any, names: Iterable[str], seconds: Callable[[str], list[float] | None]
    ) -> dict[str, Any]:
        named = {"train": list(train.values()) if isinstance(train, dict) else None}
        named |= {name: seconds(name) for name in names}
        return mean_and_total(named, self._mean, self._sum)

    def get_eval_set(self) -> list[str]:
        """Names of the sets that the training was evaluated on."""
        return self.eval_names

    def judge_valid(self, iepoch: int) -> None:
        """Refuse an epoch outside of the schedule."""
        if iepoch < 0 or iepoch >= self.epochs:
            self._fail(ValueError, f"invalid iepoch={iepoch} < {self.epochs}")

    def get_train(self, iepoch: int | None = None) -> dict[str, Any]:
        """Loss, accuracy and seconds on the training set after an epoch (from 0; None: last)."""
        if iepoch is None:
            iepoch = self.epochs - 1
        self.judge_valid(iepoch)
        stored = self._untouched()
        if stored is not None and type(iepoch) is int:
            return stored.train_metrics(iepoch)
        time = total = None
        if self.train_times is not None:
            times = self.train_times
            time = times[iepoch]
            total = sum([times[epoch] for epoch in range(iepoch + 1)])
        return {
            "iepoch": iepoch,
            "loss": self.train_losses[iepoch],
            "accuracy": self.train_acc1es[iepoch],
            "cur_time": time,
            "all_time": total,
        }

    def get_eval(self, name: str, iepoch: int | None = None) -> dict[str, Any]:
        """Loss, accuracy and seconds on a set after an epoch; ``valid`` stands for ``x-valid``."""
        if iepoch is None:
            iepoch = self.epochs - 1
        self.judge_valid(iepoch)
        if name == "valid":
            name = "x-valid"
        stored = self._untouched()
        if stored is not None and type(iepoch) is int and isinstance(name, str):
            return stored.eval_metrics(name, iepoch, self._no_time)
        key, times = f"{name}@{iepoch}", self.eval_times
        time = total = None
        if isinstance(times, dict) and times:
            if key not in times:
                raise self._no_time(key, times.keys())
            time = times[key]
            total = sum([times[f"{name}@{epoch}"] for epoch in range(iepoch + 1)])
        return {
            "iepoch": iepoch,
            "loss": self.eval_losses[key],
            "accuracy": self.eval_acc1es[key],
            "cur_time": time,
            "all_time": total,
        }

    @staticmethod
    def _no_time(key: str, known: object) -> Exception:
        """What upstream raises where a set has no time after an epoch."""
        return ValueError(f"{key} not in {known}")

    @staticmethod
    def _fail(kind: type[Exception], message: str) -> None:
        raise kind(message)

    def get_net_param(self, clone: bool = False) -> Any:
        """The trained weights; None in data without weights."""
        return copy.deepcopy(self.net_state_dict) if clone else self.net_state_dict

    def get_config(self, str2structure: Callable[[str], Any] | None) -> dict[str, Any]:
        """What is needed to make the network; ``str2structure`` reads the cell's text."""
        config = self.arch_config
        if "name" in config and config["name"] == "infer.shape.tiny":
            return {
                "name": "infer.shape.tiny",
                "channels": config["channels"],
                "genotype": config["genotype"]
                if str2structure is None
                else str2structure(config["genotype"]),
                "num_classes": config["class_num"],
            }
        cell = (
            {"arch_str": config["arch_str"]}
            if str2structure is None
            else {"genotype": str2structure(config["arch_str"])}
        )
        return {
            "name": "infer.tiny",
            "C": config["channel"],
            "N": config["num_cells"],
            **cell,
            "num_classes": config["class_num"],
        }

    # ------------------------------------------------------------------ as a dictionary

    def state_dict(self) -> dict[str, Any]:
        """Every attribute: what `create_from_state_dict` takes."""
        self._become_plain()
        return dict(self.__dict__)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over attributes."""
        self._become_plain()
        self.__dict__.update(state_dict)

    @classmethod
    def create_from_state_dict(cls, state_dict: dict[str, Any]) -> Self:
        """The training that a dictionary of its attributes describes."""
        made = cls(None, None, None, None, None, None, None, None, None, None)
        made.load_state_dict(state_dict)
        return made

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name}, arch={self.arch_config['arch_str']}, "
            f"FLOP={self.flop:.2f}M, Param={self.params:.3f}MB, seed={self.seed}, "
            f"{len(self.eval_names)} eval-sets: [{', '.join(self.eval_names)}])"
        )


def mean_and_total(
    seconds: dict[str, list[float] | None],
    mean_of: Callable[[Sequence[Any]], Any],
    sum_of: Callable[[Sequence[Any]], Any],
) -> dict[str, Any]:
    """``T-<set>@epoch`` and ``T-<set>@total`` of the seconds of each epoch; None: not recorded."""
    found: dict[str, Any] = {}
    for name, times in seconds.items():
        # Upstream fails over an empty table of training times, and so does this.
        known = times is not None and (name == "train" or len(times))
        found[f"T-{name}@epoch"] = mean_of(times) if known else None  # type: ignore[arg-type]
        found[f"T-{name}@total"] = sum_of(times) if known else None  # type: ignore[arg-type]
    return found


class ArchResults:
    """Every training of one architecture with one schedule.

    Attributes
    ----------
    arch_index, arch_str
        The architecture.
    all_results
        (data set, seed) -> `ResultsCount`.
    dataset_seed
        Data set -> seeds, ascending.
    clear_net_done
        Whether the weights are gone.
    """

    _result_type = ResultsCount
    _mean: Callable[[Sequence[Any]], Any] = staticmethod(mean)

    def __init__(self, arch_index: int, arch_str: Any) -> None:
        self.arch_index = int(arch_index)
        self.arch_str = copy.deepcopy(arch_str)
        self.all_results: dict[tuple[str, int], Any] = {}
        self.dataset_seed: dict[str, list[int]] = {}
        self.clear_net_done = False

    def _results(self, dataset: str) -> list[Any]:
        return [self.all_results[(dataset, seed)] for seed in self.dataset_seed[dataset]]

    # ------------------------------------------------------------------ questions

    def get_compute_costs(self, dataset: str) -> dict[str, Any]:
        """Sizes, latency and seconds on a data set, as means over its trainings."""
        results = self._results(dataset)
        seeds = self.dataset_seed[dataset]
        flops = self.chosen_sizes([result.flop for result in results], seeds)
        params = self.chosen_sizes([result.params for result in results], seeds)
        latencies = [result.get_latency() for result in results]
        latencies = [latency for latency in latencies if latency > 0]
        seconds: dict[str, list[Any]] = defaultdict(list)
        for result in results:
            for key, value in result.get_times().items():
                seconds[key].append(value)
        return {
            "flops": self._mean(flops),
            "params": self._mean(params),
            "latency": self._mean(latencies) if latencies else None,
            **{key: self._mean_of_known(values) for key, values in seconds.items()},
        }

    @staticmethod
    def chosen_sizes(sizes: Sequence[Any], seeds: Sequence[int]) -> Sequence[Any]:
        """The sizes to average: where the trainings disagree, that of seed 888.

        Some trainings recorded the sizes of another cell; seed 888 never did (NATS-Bench issue
        36). Upstream fails where they disagree and it is missing, and so does this.
        """
        if len({f"{size:.5f}" for size in sizes}) > 1:
            return [sizes[seeds.index(888)]]
        return sizes

    def _mean_of_known(self, values: list[Any]) -> Any:
        """Mean; None if the first one is unknown, as upstream looks at no other."""
        return self._mean(values) if values and values[0] is not None else None

    def get_metrics(
        self, dataset: str, setname: str, iepoch: int | None = None, is_random: Any = False
    ) -> dict[str, Any]:
        """Loss, accuracy and seconds on one set after an epoch.

        Parameters
        ----------
        dataset
            ``cifar10-valid``, ``cifar10``, ``cifar100`` or ``ImageNet16-120``.
        setname
            ``train``, ``x-valid``, ``x-test`` or ``ori-test``.
        iepoch
            Epoch, from 0; None: the last one.
        is_random
            True: one training drawn with the module `random`; False: the mean of all; a seed: that
            training.

        Returns
        -------
        dict
            ``iepoch``, ``loss``, ``accuracy`` (percent), ``cur_time`` and ``all_time`` (seconds of
            this epoch, and of all up to it).

        Raises
        ------
        KeyError, ValueError
            If one of the trainings, asked for or not, lacks a value; if there is no such seed.
        """
        results = self._results(dataset)
        if setname == "train":
            infos = [result.get_train(iepoch) for result in results]
        else:
            infos = [result.get_eval(setname, iepoch) for result in results]
        if isinstance(is_random, bool):
            if is_random:
                return dict(infos[random.randint(0, len(results) - 1)])
            keys = infos[0] if infos else ()
            return {key: self._mean_of_known([info[key] for info in infos]) for key in keys}
        if isinstance(is_random, int):
            seeds = self.dataset_seed[dataset]
            if is_random not in seeds:
                raise ValueError(f"can not find random seed ({is_random}) from {seeds}")
            return dict(infos[seeds.index(is_random)])
        raise ValueError(f"invalid value for is_random: {is_random}")

    def get_dataset_names(self) -> list[str]:
        """Data sets that the architecture was trained on."""
        return list(self.dataset_seed)

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        """Seeds of the trainings on a data set."""
        return copy.copy(self.dataset_seed[dataset])

    def get_net_param(self, dataset: str, seed: int | None = None) -> Any:
        """Trained weights of one training, or of every seed; None in data without weights."""
        if seed is None:
            seeds = self.dataset_seed[dataset]
            return {seed: self.all_results[(dataset, seed)].get_net_param() for seed in seeds}
        key = (dataset, seed)
        if key not in self.all_results:
            raise ValueError(f"key={key} not in {list(self.all_results.keys())}")
        return self.all_results[key].get_net_param()

    def get_latency(self, dataset: str) -> float:
        """Mean latency in seconds; every training must have one."""
        latencies = []
        for seed in self.dataset_seed[dataset]:
            latency = self.all_results[(dataset, seed)].get_latency()
            if not isinstance(latency, float) or latency <= 0:
                raise ValueError(f"invalid latency of {dataset} with seed={seed} : {latency}")
            latencies.append(latency)
        return sum(latencies) / len(latencies)

    def get_total_epoch(self, dataset: str | None = None) -> int:
        """Length of the schedule."""
        if dataset is None:
            epochs = [
                r.get_total_epoch() for name in self.dataset_seed for r in self._results(name)
            ]
        elif isinstance(dataset, str):
            epochs = [result.get_total_epoch() for result in self._results(dataset)]
        else:
            raise ValueError(f"invalid dataset={dataset}")
        if len(set(epochs)) > 1:
            raise ValueError(f"Each trial mush have the same number of training epochs : {epochs}")
        return epochs[-1]

    def query(self, dataset: str, seed: int | None = None) -> Any:
        """The training with a seed, or every one on a data set by its seed."""
        if seed is None:
            seeds = self.dataset_seed[dataset]
            return {seed: self.all_results[(dataset, seed)] for seed in seeds}
        return self.all_results[(dataset, seed)]

    def arch_idx_str(self) -> str:
        """The index in six digits."""
        return f"{self.arch_index:06d}"

    # ------------------------------------------------------------------ changes

    def _of(self, dataset: str, seed: Any) -> list[Any]:
        return self._results(dataset) if seed is None else [self.all_results[(dataset, seed)]]

    def reset_latency(self, dataset: str, seed: Any, latency: float) -> None:
        """Replace the latency of one training, or of all on a data set."""
        for result in self._of(dataset, seed):
            result.update_latency([latency])

    def reset_pseudo_train_times(
        self, dataset: str, seed: Any, estimated_per_epoch_time: float
    ) -> None:
        """Replace the training times of one training, or of all on a data set."""
        for result in self._of(dataset, seed):
            result.reset_pseudo_train_times(estimated_per_epoch_time)

    def reset_pseudo_eval_times(
        self, dataset: str, seed: Any, eval_name: str, estimated_per_epoch_time: float
    ) -> None:
        """Replace the evaluation times of one training, or of all on a data set."""
        for result in self._of(dataset, seed):
            result.reset_pseudo_eval_times(eval_name, estimated_per_epoch_time)

    def update(self, dataset_name: str, seed: int, result: Any) -> None:
        """Add a training."""
        seeds = self.dataset_seed.setdefault(dataset_name, [])
        if seed in seeds:
            self._refuse_seed(
                f"{self.arch_index}-th arch alreadly has this seed ({seed}) on {dataset_name}"
            )
        self.dataset_seed[dataset_name] = sorted([*seeds, seed])
        if (dataset_name, seed) in self.all_results:
            raise AssertionError
        self.all_results[(dataset_name, seed)] = result
        self.clear_net_done = False

    def _refuse_seed(self, message: str) -> None:
        raise ValueError(message)

    def clear_params(self) -> None:
        """Forget the weights of every training."""
        for result in self.all_results.values():
            result.clear_params()
        self.clear_net_done = True

    # ------------------------------------------------------------------ as a dictionary

    def state_dict(self) -> dict[str, Any]:
        """Every attribute, trainings as dictionaries: what `create_from_state_dict` takes."""
        state = dict(self.__dict__)
        if "all_results" in state:
            state["all_results"] = self._states(state["all_results"])
        return state

    def _states(self, results: Any) -> dict[Any, Any]:
        self._require(isinstance(results, dict), "all_results", results)
        for key, result in results.items():
            self._require(isinstance(result, ResultsCount), f"all_results/{key}", result)
        return {key: result.state_dict() for key, result in results.items()}

    def _require(self, holds: bool, name: str, value: object) -> None:
        if not holds:
            raise ValueError(f"invalid type of value for {name} : {type(value)}")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over attributes."""
        state = dict(state_dict)
        if "all_results" in state:
            results = state["all_results"]
            self._require(isinstance(results, dict), "all_results", results)
            make = self._result_type.create_from_state_dict
            state["all_results"] = {key: make(value) for key, value in results.items()}
        self.__dict__.update(state)

    @classmethod
    def create_from_state_dict(cls, state_dict_or_file: Any) -> Self:
        """The record that a dictionary, or a file that holds one, describes."""
        if isinstance(state_dict_or_file, str):
            state = cls._read(state_dict_or_file)
        elif isinstance(state_dict_or_file, dict):
            state = state_dict_or_file
        else:
            raise ValueError(f"invalid type of state_dict_or_file : {type(state_dict_or_file)}")
        made = cls(-1, -1)
        made.load_state_dict(state)
        return made

    @staticmethod
    def _read(path: str) -> Any:
        from nasbase.compat.records.files import load_pickle

        return load_pickle(path)

    def debug_test(self) -> None:
        """Print latency, trainings and times of every data set."""
        for dataset in ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"):
            print(f"---->>>> {dataset}")
            print(f"The latency on {dataset} is {self.get_latency(dataset)} s")
            for result in self._results(dataset):
                print(f"  ==>> result = {result}")
                print(f"  ==>> cost = {result.get_times()}")

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(arch-index={self.arch_index}, arch={self.arch_str}, "
            f"{len(self.all_results)} runs, clear={self.clear_net_done})"
        )
