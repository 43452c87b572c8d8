"""The flags of a program in experiments/, without running the program.

A program registers its flags in `absl.flags.FLAGS` when it is imported, and two programs may define the same flag.
Therefore this module runs only the flag definitions of the source, with a `FlagValues` of their own.
"""

import ast
import pathlib
import sys
from unittest import mock

from absl import flags
from ml_collections import config_flags

_LIBRARIES = {"flags": flags, "config_flags": config_flags}


def parse(program: pathlib.Path, arguments: list[str]) -> list[str]:
    """Parses arguments as the program would, and returns those that are not flags.

    Raises:
      flags.Error: a flag is unknown or missing, or its value is not allowed.
      AttributeError: the config does not have a setting.
    """
    # ml_collections reads the settings of a config from `sys.argv`.
    with mock.patch.object(sys, "argv", [str(program), *arguments]):
        return defined_by(program)([str(program), *arguments])[1:]


def defined_by(program: pathlib.Path) -> flags.FlagValues:
    """Returns the flags that a program defines."""
    values = flags.FlagValues()
    names = _Names(program, values)
    for node in ast.walk(ast.parse(program.read_text("utf-8"))):
        if isinstance(node, ast.Call) and _defines_flag(node.func):
            node.keywords.append(ast.keyword("flag_values", ast.Name("_values", ast.Load())))
            names.run(ast.Expr(node))
    return values


def _defines_flag(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in _LIBRARIES
        and function.attr.startswith(("DEFINE_", "mark_flag"))
    )


class _Names(dict):
    """The names of a module. Looking up a name runs the statement that binds it."""

    def __init__(self, path: pathlib.Path, values: flags.FlagValues):
        super().__init__(_LIBRARIES, __file__=str(path), _values=values)
        self._statements = ast.parse(path.read_text("utf-8")).body

    def run(self, statement: ast.stmt) -> None:
        module = ast.fix_missing_locations(ast.Module([statement], []))
        exec(compile(module, self["__file__"], "exec"), {}, self)

    def __missing__(self, name):
        for statement in self._statements:
            if name in _bound_by(statement):
                self.run(statement)
                return self[name]
        raise KeyError(name)


def _bound_by(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        names = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
        return {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return set()
