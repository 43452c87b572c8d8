"""The architecture, checked on the source: permitted imports, and pure math modules.

Every subpackage needs an entry in `MAY_IMPORT`, which lists the subpackages that it may import.
"""

import ast
import graphlib
import importlib.util
import pathlib

import pytest

PACKAGE = "twodasl_jax"
ROOT = pathlib.Path(__file__).parents[1]

FOUNDATION = {"array_types", "errors", "files"}
MAY_IMPORT = {
    "geometry": set(),
    "losses": {"geometry"},
    "networks": {"geometry"},
    "imaging": {"geometry"},
    "evaluation": {"geometry"},
    "rendering": {"geometry"},
    "models": {"geometry", "networks"},
    "face_model_formats": {"geometry", "models"},
    "weight_formats": {"geometry", "networks", "models"},
    "synthetic_faces": {"geometry", "rendering"},
    "data": {"geometry"},
    "preparation": {"geometry", "imaging", "models", "rendering", "synthetic_faces", "data"},
    "training": {"geometry", "losses", "networks", "data", "evaluation", "rendering", "models"},
    "inference": {"geometry", "networks", "imaging", "models"},
    "videos": {"geometry", "imaging", "inference"},
    "protocols": {"geometry", "evaluation", "imaging", "models", "inference"},
    "reports": {"geometry", "evaluation", "imaging", "rendering", "protocols"},
    "outputs": {"geometry", "rendering", "models", "inference", "videos"},
    "commands": {"imaging", "models", "inference", "videos", "outputs"},
}

MATH_PACKAGES = {"geometry", "losses", "array_types"}
ARRAY_LIBRARIES = {"beartype", "jax", "jaxtyping", "numpy"}
PURE_STANDARD_LIBRARY = {"collections", "dataclasses", "functools", "itertools", "math", "typing"}
INPUT_AND_OUTPUT = {
    *("open", "print", "input", "load", "loads", "loadtxt", "genfromtxt", "fromfile", "memmap"),
    *("save", "savez", "savez_compressed", "savetxt", "tofile", "read_text", "write_text"),
}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}
SYNTAX = {name: ast.parse(path.read_text("utf-8")) for name, path in SOURCES.items()}


def subpackage(name):
    """Returns the first part of a module name below the package, or the package itself."""
    return name.split(".")[1] if "." in name else name


def imports(name):
    """Yields the dotted names of all imports of a module, including local ones."""
    package = name if SOURCES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(SYNTAX[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{source}.{alias.name}" for alias in node.names)


def internal_imports(name):
    return {target for target in imports(name) if target.split(".")[0] == PACKAGE}


def math_modules():
    """Returns the modules of the math packages and everything that they import transitively."""
    found, waiting = set(), [name for name in SOURCES if subpackage(name) in MATH_PACKAGES]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            modules = {
                *internal_imports(name),
                *(t.rpartition(".")[0] for t in internal_imports(name)),
            }
            waiting.extend(modules & set(SOURCES) - {PACKAGE})
    return sorted(found)


def called_names(tree):
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {getattr(function, "attr", getattr(function, "id", None)) for function in functions}


@pytest.mark.parametrize("name", math_modules())
def test_math_modules_import_array_libraries_only(name):
    libraries = {target.split(".")[0] for target in imports(name)}
    assert libraries <= ARRAY_LIBRARIES | PURE_STANDARD_LIBRARY | {PACKAGE}
    assert not called_names(SYNTAX[name]) & INPUT_AND_OUTPUT
    assert not any(isinstance(node, ast.Global | ast.Nonlocal) for node in ast.walk(SYNTAX[name]))


@pytest.mark.parametrize("name", [name for name in SOURCES if name != PACKAGE])
def test_imports_are_permitted(name):
    own = subpackage(name)
    assert own in FOUNDATION | set(MAY_IMPORT), f"add an entry for {own} to MAY_IMPORT"
    allowed = FOUNDATION | MAY_IMPORT.get(own, set()) | {own}
    assert {subpackage(target) for target in internal_imports(name)} <= allowed


def test_all_permissions_are_used():
    used = {own: set() for own in MAY_IMPORT}
    for name in set(SOURCES) - {PACKAGE}:
        used.get(subpackage(name), set()).update(
            subpackage(target) for target in internal_imports(name)
        )
    assert {own: used[own] & set(MAY_IMPORT) - {own} for own in MAY_IMPORT} == MAY_IMPORT


def test_permissions_are_acyclic():
    list(graphlib.TopologicalSorter(MAY_IMPORT).static_order())
    assert {target for row in MAY_IMPORT.values() for target in row} <= set(MAY_IMPORT)
