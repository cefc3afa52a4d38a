"""What is shown of a training while it goes on."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any

from tqdm.auto import tqdm

# A loss is waited for only so often, since that holds up a GPU.
STEPS_PER_SHOWN_LOSS = 10


class Watch:
    """A progress bar with losses and held-out recall, and TensorBoard's log if asked.

    Parameters
    ----------
    total : int
        Length of the bar.
    progress : bool or None
        Whether to show it; None: on a terminal.
    log_dir : str or Path, optional
        Folder of the log.

    Raises
    ------
    ImportError
        If there is a ``log_dir`` but no TensorBoard.
    """

    def __init__(
        self,
        total: int,
        progress: bool | None,
        log_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self._log_dir = log_dir
        self._log: Any = None
        self._shown: dict[str, str] = {}
        self.bar = tqdm(
            total=total,
            desc="training the binarizer",
            # tqdm's None: off unless on a terminal
            disable=None if progress is None else not progress,
        )

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()
        if self._log is not None:
            self._log.close()

    def begin(self, step: int, recall: float) -> None:
        """Gradient steps begin, or go on after ``step`` of them.

        A log that is there keeps what was logged up to this step.
        """
        self.bar.update(step)
        self._show(recall=recall)
        if self._log_dir is not None:
            writer = import_tensorboard().SummaryWriter
            purge = {"purge_step": step + 1} if step else {}
            self._log = writer(os.fspath(self._log_dir), **purge)
        if not step:
            self._add("recall", recall, step)

    def step(self, step: int, losses: Any) -> None:
        """After gradient step ``step``; losses: a NamedTuple of scalars."""
        self.bar.update()
        for name, value in losses._asdict().items():
            self._add(f"loss/{name}", value, step)
        if step % STEPS_PER_SHOWN_LOSS == 0 and not self.bar.disable:
            self._show(**losses._asdict())

    def evaluation(self, step: int, recall: float) -> None:
        """After an evaluation."""
        self._show(recall=recall)
        self._add("recall", recall, step)

    def _show(self, **values: Any) -> None:
        self._shown.update({name: f"{float(x):.4f}" for name, x in values.items()})
        self.bar.set_postfix(self._shown)

    def _add(self, tag: str, value: Any, step: int) -> None:
        if self._log is not None:
            self._log.add_scalar(tag, float(value), step)


def import_tensorboard() -> Any:
    """PyTorch's module for TensorBoard.

    Raises ``ImportError`` that names the extra if TensorBoard is missing.
    """
    try:
        import torch.utils.tensorboard
    except ImportError as error:
        raise ImportError(
            "log_dir needs TensorBoard: "
            'pip install "faiss_bebr[tensorboard]", or leave log_dir out'
        ) from error
    return torch.utils.tensorboard
