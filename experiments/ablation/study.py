"""A study: the configs to compare, their seeds, and the test sets."""

import dataclasses
import pathlib
import runpy
from collections.abc import Iterator, Mapping, Sequence

import ml_collections

from twodasl_jax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Cell:
    """An entry of the table: runs that differ by their seed only.

    Attributes:
      row: the variant, for example its losses.
      column: the condition, for example the share of annotated faces.
      config: the settings of the runs.
    """

    row: str
    column: str
    config: ml_collections.ConfigDict


@dataclasses.dataclass(frozen=True)
class Study:
    """A comparison of configs.

    Attributes:
      title: the title of the report.
      cells: the entries of the table in the order of their runs. A row may lack columns.
      rows: the rows in the order of the report.
      columns: the columns in the order of the report.
      seeds: the seeds of the runs of each cell.
      baseline: the row for comparison. Differences from it are paired by seed and column.
      goal: the (row, column) of the best attainable result. Differences are also reported as shares of the distance
        from the baseline to it.
      test_sets: "FOLDER" or "FOLDER:SPLIT" of prepared data, by name. The default split is "train".
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
        """Yields all runs in the order of their seeds, so that early reports cover the whole table."""
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
        """The settings of the run."""
        config = self.cell.config.copy_and_resolve_references()
        config.seed = self.seed
        return config

    @property
    def folder(self) -> str:
        """The name of its folder in the folder of the study."""
        parts = (self.cell.row, self.cell.column)
        words = "_".join("".join(c if c.isalnum() else " " for c in part) for part in parts)
        return f"{'_'.join(words.split())}_seed{self.seed}"


def read_study(path: pathlib.Path) -> Study:
    """Reads a study from a Python file.

    Args:
      path: the file. Its function `get_study()` returns the attributes of a `Study`; cells are (row, column, config).

    Raises:
      ConfigError: the file or the function is missing, attributes are missing or unknown, or a cell occurs twice.
    """
    if not path.is_file():
        raise ConfigError(f"--study={path} is not a file: see configs/ablation/ for studies.")
    settings = runpy.run_path(str(path))
    if "get_study" not in settings:
        raise ConfigError(f"{path} has no function get_study: see configs/ablation/annotations.py.")
    values = settings["get_study"]()
    names = {field.name for field in dataclasses.fields(Study)}
    if set(values) != names:
        different = ", ".join(sorted(names ^ set(values)))
        raise ConfigError(
            f"{path}: get_study() must return exactly {sorted(names)}; missing or unknown: {different}."
        )
    study = Study(**values | {"cells": [Cell(*cell) for cell in values["cells"]]})
    folders = [run.folder for run in study.runs()]
    repeated = sorted({folder for folder in folders if folders.count(folder) > 1})
    if repeated:
        raise ConfigError(f"{path}: these runs occur more than once: {', '.join(repeated)}.")
    return study
