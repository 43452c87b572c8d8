"""A study: which configs are compared, with which seeds, on which test sets."""

import dataclasses
import pathlib
import runpy
from collections.abc import Iterator, Mapping, Sequence

import ml_collections

from twodasl_jax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Cell:
    """One entry of the table: runs that differ by their seed alone.

    Attributes:
      row: what is varied, for example the losses.
      column: under which circumstances, for example how many faces are annotated.
      config: of the runs.
    """

    row: str
    column: str
    config: ml_collections.ConfigDict


@dataclasses.dataclass(frozen=True)
class Study:
    """What is compared with what.

    Attributes:
      title: of the report.
      cells: the table; a row need not have an entry in every column. They are run in this order.
      rows: in the order of the report.
      columns: likewise.
      seeds: of the runs of each cell.
      baseline: row that the others are compared with, seed by seed in the same column.
      goal: (row, column) of what would be reached with everything: differences are also given as the share of the way
        from the baseline to it.
      test_sets: "FOLDER" or "FOLDER:SPLIT" of prepared data by name; without a split it is "train".
    """

    title: str
    cells: Sequence[Cell]
    rows: Sequence[str]
    columns: Sequence[str]
    seeds: Sequence[int]
    baseline: str
    goal: tuple[str, str]
    test_sets: Mapping[str, str]

    def runs(self) -> Iterator["Run"]:
        """Yields all runs, those of the first seed first, so that an early look shows the whole table."""
        for seed in self.seeds:
            for cell in self.cells:
                yield Run(cell, seed)


@dataclasses.dataclass(frozen=True)
class Run:
    """One training of a study."""

    cell: Cell
    seed: int

    @property
    def config(self) -> ml_collections.ConfigDict:
        """Settings of the run."""
        config = self.cell.config.copy_and_resolve_references()
        config.seed = self.seed
        return config

    @property
    def folder(self) -> str:
        """Its place below the folder of the study."""
        parts = (self.cell.row, self.cell.column)
        words = "_".join("".join(c if c.isalnum() else " " for c in part) for part in parts)
        return f"{'_'.join(words.split())}_seed{self.seed}"


def read_study(path: pathlib.Path) -> Study:
    """Reads a Python file whose `get_study()` returns the attributes of a `Study`, cells as (row, column, config).

    Raises:
      ConfigError: there is no such file or function, attributes are missing, or two cells share a place.
    """
    if not path.is_file():
        raise ConfigError(f"--study={path}: there is no such file; configs/ablation/ has some.")
    settings = runpy.run_path(str(path))
    if "get_study" not in settings:
        raise ConfigError(f"{path} has no function get_study: see configs/ablation/annotations.py.")
    values = settings["get_study"]()
    names = {field.name for field in dataclasses.fields(Study)}
    if set(values) != names:
        different = ", ".join(sorted(names ^ set(values)))
        raise ConfigError(
            f"{path}: get_study() must give exactly {sorted(names)}: see {different}."
        )
    study = Study(**values | {"cells": [Cell(*cell) for cell in values["cells"]]})
    folders = [run.folder for run in study.runs()]
    twice = sorted({folder for folder in folders if folders.count(folder) > 1})
    if twice:
        raise ConfigError(f"{path} names {', '.join(twice)} more than once.")
    return study
