"""The gradient steps of a training, from the start to the best network."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from typing import Any, Protocol

import torch

from .held_out import HeldOut
from .learning_state import LearningState, prefixed, under
from .network import RecurrentBinarizer
from .report import TrainingReport, report_from_json, report_to_json
from .run import Run
from .tensor_file import TensorFile
from .watch import Watch

# What a state of another learner leads to.
UNFIT = (KeyError, TypeError, ValueError, RuntimeError)


class NetworkLearner(Protocol):
    """Trains a network in place, in steps of its own."""

    steps_per_epoch: int

    def epoch(self, first: int = 0) -> Iterator[Any]:
        """Take one step after the other, the first ``first`` of the epoch being taken;
        yields their losses, a NamedTuple of scalars."""

    def settle(self) -> None:
        """Leave the network as the steps so far have made it."""

    def state(self) -> LearningState:
        """All that the next step depends on."""

    def restore(self, state: LearningState) -> None:
        """Go on from a state; an error of any kind if it is of another learner."""


class Loop:
    """Epochs of a learner, an evaluation after each, the best state kept.

    Parameters
    ----------
    net : RecurrentBinarizer
        The start, with its report.
    learner : NetworkLearner
        Of ``net``.
    held_out : HeldOut
    run : Run
        Its checkpoint is written at the beginning, after each epoch and every
        ``checkpoint_steps``.
    watch : Watch
        Shown what is going on.
    start : LearningState, optional
        What a checkpoint is to hold so that ``learner`` can be made anew.
    """

    def __init__(
        self,
        net: RecurrentBinarizer,
        learner: NetworkLearner,
        held_out: HeldOut,
        run: Run,
        watch: Watch,
        start: LearningState | None = None,
    ) -> None:
        self.net = net
        self.learner = learner
        self.held_out = held_out
        self.run = run
        self.watch = watch
        self.start = LearningState({}, {}) if start is None else start
        self.best_state = copy.deepcopy(net.state_dict())
        self.epochs_done = 0
        self.steps_done = 0
        """Of the epoch that has begun."""
        self.stale = 0
        """Evaluations since the best one."""
        self.losses: dict[str, list[torch.Tensor]] = {}
        """Of each step since the evaluation before."""

    @property
    def report(self) -> TrainingReport:
        """The network's."""
        assert self.net.report is not None
        return self.net.report

    def improve(self) -> None:
        """Train, and leave the network in its best state; fill in its report.

        Ctrl-C ends it early; a checkpoint then is as it was last written.
        """
        try:
            self.watch.begin(self._step(), self.report.best_recall)
            if not self._step():
                self.learner.settle()
                self._write()
            run = self.run
            while self.epochs_done < run.epochs and self.stale < run.patience:
                self._epoch()
        except KeyboardInterrupt:
            self.report.interrupted = True
        finally:
            self.net.load_state_dict(self.best_state)

    def restore(self, stored: TensorFile) -> None:
        """Go on from where a checkpoint was written.

        Raises ``ValueError`` if it is of another version or made by hand.
        """
        try:
            progress = stored.description["progress"]
            self.net.report = report_from_json(progress["report"])
            self.epochs_done = int(progress["epochs_done"])
            self.steps_done = int(progress["steps_done"])
            self.stale = int(progress["stale"])
            self.best_state = under("best", stored.tensors)
            # Tried now, as it must fit in the end.
            self.net.load_state_dict(self.best_state)
            self.learner.restore(
                LearningState(progress["learner"], under("learner", stored.tensors))
            )
            device = self.net.query_weight.device
            self.losses = {
                name: list(values.to(device))
                for name, values in under("losses", stored.tensors).items()
            }
        except UNFIT as error:
            raise _unfit(error) from error

    def _step(self) -> int:
        return self.epochs_done * self.learner.steps_per_epoch + self.steps_done

    def _epoch(self) -> None:
        for losses in self.learner.epoch(self.steps_done):
            for name, value in losses._asdict().items():
                self.losses.setdefault(name, []).append(value)
            self.steps_done += 1
            self.watch.step(self._step(), losses)
            every = self.run.checkpoint_steps
            if every and self._step() % every == 0:
                self._write()
        self.learner.settle()
        recall = self.held_out.recall(self.net)
        self.epochs_done, self.steps_done = self.epochs_done + 1, 0
        self.stale += 1
        if recall > self.report.best_recall:
            # State first: an interrupt between the two must not claim more.
            self.best_state = copy.deepcopy(self.net.state_dict())
            self.report.best_recall, self.stale = recall, 0
        means = {name: _mean(values) for name, values in self.losses.items()}
        self.report.history.append(
            {"step": self._step(), "recall": recall, **self.held_out.parts, **means}
        )
        self.losses = {}
        self.watch.evaluation(self._step(), recall)
        self._write()

    def _write(self) -> None:
        if self.run.checkpoint is None:
            return
        state = self.learner.state()
        progress = {
            "epochs_done": self.epochs_done,
            "steps_done": self.steps_done,
            "stale": self.stale,
            "report": report_to_json(self.report),
            "learner": state.numbers,
            "start": self.start.numbers,
        }
        losses = {name: torch.stack(values) for name, values in self.losses.items()}
        tensors = {
            **prefixed("learner", state.tensors),
            **prefixed("start", self.start.tensors),
            **prefixed("best", self.best_state),
            **prefixed("losses", losses),
        }
        self.run.checkpoint.write(progress, tensors)


def stored_start(
    stored: TensorFile, names: Collection[str], tensor_names: Collection[str]
) -> LearningState:
    """The ``start``, of these names, that the loop had which wrote a checkpoint.

    Raises ``ValueError`` if it is of another version or made by hand.
    """
    try:
        numbers = stored.description["progress"]["start"]
        tensors = under("start", stored.tensors)
        return LearningState(
            {name: numbers[name] for name in names},
            {name: tensors[name] for name in tensor_names},
        )
    except UNFIT as error:
        raise _unfit(error) from error


def _unfit(error: Exception) -> ValueError:
    return ValueError(
        f"checkpoint: not one that this version of faiss_bebr wrote: {error!r}"
    )


def _mean(values: list[torch.Tensor]) -> float:
    return torch.stack(values).mean().item()
