"""Where a long run stands, on disk, so that it goes on from there with the same random numbers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rlkit.lm.checkpoints import save_checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

STATE = "run.pt"


class Resumable:
    """Saves model, optimiser, generators and records in ``folder``; does nothing without one.

    Parameters
    ----------
    folder : str, Path or None
    every : int
        Iterations between two saves.
    model, tokenizer, optimizer
    generators : dict of str to torch.Generator
        Put back with the rest. Leave out those whose draws a resumed loop repeats.
    head : Module, optional
        What is trained beside the model.
    """

    def __init__(
        self,
        folder: str | Path | None,
        every: int,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        optimizer: torch.optim.Optimizer,
        generators: dict[str, torch.Generator],
        head: nn.Module | None = None,
    ) -> None:
        self.folder, self.every = None if folder is None else Path(folder), every
        self._model, self._tokenizer, self._optimizer, self._generators = model, tokenizer, optimizer, generators
        self._head = nn.Module() if head is None else head

    def start(self, settings: str) -> tuple[int, list[dict[str, Any]]]:
        """Load what is there; return the number of finished iterations and their records.

        Raises
        ------
        ValueError
            If the folder holds a run with other settings.
        """
        self._settings = settings
        if self.folder is None or not (self.folder / STATE).is_file():
            return 0, []
        state = torch.load(self.folder / STATE, map_location="cpu", weights_only=True)
        if state["settings"] != settings:
            raise ValueError(
                f"{self.folder} holds a run with other settings; give another folder, or those:\n{state['settings']}"
            )
        self._model.load_state_dict(state["model"])
        self._head.load_state_dict(state["head"])
        self._optimizer.load_state_dict(state["optimizer"])
        for name, generator in self._generators.items():
            generator.set_state(state["generators"][name])
        return state["done"], state["records"]

    def finished(self, done: int, records: list[dict[str, Any]], last: bool) -> None:
        """Save after every few iterations and after the last one; a save cut short leaves the one before."""
        if self.folder is None or (done % self.every and not last):
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        beside = self.folder.with_name(self.folder.name + ".new")
        before = self.folder.with_name(self.folder.name + ".old")
        shutil.rmtree(beside, ignore_errors=True)
        save_checkpoint(beside, self._model, self._tokenizer)
        state = {
            "settings": self._settings,
            "done": done,
            "records": records,
            "model": self._model.state_dict(),
            "head": self._head.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generators": {name: generator.get_state() for name, generator in self._generators.items()},
        }
        torch.save(state, beside / STATE)
        shutil.rmtree(before, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(before)
        beside.rename(self.folder)
        shutil.rmtree(before, ignore_errors=True)
