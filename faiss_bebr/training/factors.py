"""Choice of a start's factors by held-out recall."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tqdm.auto import tqdm


def count_steps(grids: Mapping[str, Sequence[float]]) -> int:
    """Steps of the progress bar that ``choose_factors`` takes."""
    return sum(map(len, grids.values()))


def choose_factors(
    grids: Mapping[str, Sequence[float]],
    recall_of: Callable[..., float],
    bar: tqdm,
) -> tuple[dict[str, float], float]:
    """The factors that recall most, chosen one after the other since they hardly
    interact, and that recall.

    grids: the values of each, tried in this order; the first value is in place until
    the factor's turn comes. recall_of: takes all factors by name.
    """
    chosen = {name: grid[0] for name, grid in grids.items()}
    best = recall_of(**chosen)
    for name, grid in grids.items():
        best_value = grid[0]
        for value in grid[1:]:
            recall = recall_of(**{**chosen, name: value})
            if recall > best:
                best, best_value = recall, value
            bar.update()
        chosen[name] = best_value
        bar.update()
        bar.set_postfix(recall=f"{best:.4f}")
    return chosen, best
