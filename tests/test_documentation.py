"""Checks of the documentation: links, commands, files, flags, and the quick examples.

`tests/test_documented_commands.py` runs the commands and the other examples.
"""

import ast
import configparser
import importlib
import pathlib
import re

import pytest
from absl import flags

from tests.helpers import documentation_inputs, program_flags
from tests.helpers.markdown_pages import (
    Block,
    Command,
    anchors,
    commands_in,
    inline_code,
    links,
    steps,
)
from twodasl_jax import outputs
from twodasl_jax.commands import cli

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "twodasl_jax" / "assets").glob("*.md")),
]
PROGRAMS = sorted(
    path
    for path in (ROOT / "experiments").rglob("*.py")
    if "entry_points.run(main)" in path.read_text("utf-8")
)
# Pages whose examples take at most two seconds. tests/test_documented_commands.py runs the others.
QUICK = ["docs/coordinates.md", "docs/data_preparation.md"]
# Flags and files of other projects that pages mention.
FOREIGN_FLAGS = {"--help", "--logdir", "--version"}
FOREIGN_FILES = {"configs/param_mean_std_62d_120x120.pkl"}
_FILE = re.compile(r"(?<![\w./-])(?:experiments|configs|tests|docs|twodasl_jax)/[\w./-]*\w")


def name_of(path):
    return str(path.relative_to(ROOT))


pages = pytest.mark.parametrize("page", PAGES, ids=name_of)


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    """Changes to the checkout, because commands name configs relative to it."""
    monkeypatch.chdir(ROOT)


@pages
def test_link_targets_exist(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        if "://" not in path:
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pages
def test_readme_and_index_link_every_page(page):
    for start in (ROOT / "README.md", ROOT / "docs" / "README.md"):
        reached = {(start.parent / link.partition("#")[0]).resolve() for link in links(start)}
        assert page in {start, *reached}


def check_python(arguments):
    program = ROOT / arguments[0]
    assert program in PROGRAMS, f"there is no program {arguments[0]}"
    assert not program_flags.parse(program, arguments[1:])


def check_reconstruct(arguments):
    if arguments != ["--help"]:
        cli._parse(["twodasl-reconstruct", *arguments])


def check_make(arguments):
    known = re.findall(r"^([\w-]+)(?=:| [?]?=)", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert {argument.partition("=")[0] for argument in arguments} <= set(known)


def check_pip(arguments):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    named = re.findall(r"\[([\w,]+)\]", " ".join(arguments))
    extras = {extra for names in named for extra in names.split(",")}
    assert extras <= set(setup["options.extras_require"])


CHECKS = {
    "python": check_python,
    "twodasl-reconstruct": check_reconstruct,
    "make": check_make,
    "pip": check_pip,
}


def check(command):
    """Raises if a program rejects the arguments of a command, or if the checkout lacks a named file."""
    first, *arguments = command.words
    CHECKS[first](arguments)
    for name in _FILE.findall(str(command)):
        assert (ROOT / name).exists(), name


def checked(commands):
    """Checks commands. A failure names the invalid command."""
    for command in commands:
        try:
            check(command)
        except (AssertionError, flags.Error, AttributeError, SystemExit) as error:
            pytest.fail(f"{command}\n{error}", pytrace=False)


@pages
def test_programs_accept_documented_commands(page):
    checked(step for step in steps(page) if isinstance(step, Command))


@pytest.mark.parametrize(
    "folder", ["experiments", "configs", "twodasl_jax"], ids=lambda folder: folder
)
def test_programs_accept_commands_in_docstrings(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        checked(commands_in(ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""))


@pytest.mark.parametrize(
    "wrong",
    [
        "python experiments/no_program.py",
        "python experiments/train.py --config=configs/compact.py --workdirs=runs/mine",
        "python experiments/train.py --config=configs/no_config.py --workdir=runs/mine",
        "python experiments/train.py --config=configs/compact.py --config.step=1 --workdir=runs/mine",
        "python experiments/train.py --workdir=runs/mine",
        "python experiments/prepare_data.py --dataset=celeba --data_dir=data/mine",
        "python experiments/prepare_data.py \\\n    --data_dir=data/mine [--seed=first]",
        "D='python experiments/export.py'\n$D --output=exported",
        "python experiments/render_test_set.py --source=face_model --output_dir=synthetic 500",
        "python experiments/make_weights.py --workdir=tests/no_run --output=weights.npz",
        "JAX_PLATFORMS=cpu twodasl-reconstruct portrait.jpg --colour",
        "twodasl-reconstruct portrait.jpg --outputs=stl",
        "make tests",
        "pip install -e '.[no_extra]'",
    ],
)
def test_invalid_command_is_detected(wrong, capsys):
    with pytest.raises(pytest.fail.Exception):
        checked(commands_in(wrong))


def test_commands_are_parsed_like_a_shell():
    text = """
        D="python experiments/a.py --x=1"    # shared prefix
        $D --y=2 \\
            --z=3
        A="b c" python experiments/b.py --p [--q=1 [--r]] # optional
    """
    first, second = commands_in(text)
    assert str(first) == "python experiments/a.py --x=1 --y=2 --z=3"
    assert second.words == ("python", "experiments/b.py", "--p", "--q=1", "--r")
    assert second.shortest == ("python", "experiments/b.py", "--p")


@pytest.fixture(scope="module")
def known_flags():
    """Returns the flags of all programs."""
    defined = [program_flags.defined_by(program) for program in PROGRAMS]
    names = {name for program in defined for name in program}
    names |= {f"no{name}" for program in defined for name in program if program[name].boolean}
    arguments = re.findall(r'"--(\w+)"', pathlib.Path(cli.__file__).read_text("utf-8"))
    return FOREIGN_FLAGS | {f"--{name}" for name in [*names, *arguments]}


@pages
def test_mentioned_flags_and_files_exist(page, known_flags):
    for code in inline_code(page):
        assert set(re.findall(r"(?<![\w-])--\w+", code)) <= known_flags, code
        for name in set(_FILE.findall(code)) - FOREIGN_FILES:
            assert (ROOT / name).exists(), code


@pytest.mark.parametrize("program", PROGRAMS, ids=name_of)
def test_every_program_is_documented(program):
    assert any(program.name in page.read_text("utf-8") for page in PAGES)


def test_outputs_page_has_a_row_for_every_kind():
    kinds = {**outputs.PHOTO_KINDS, **outputs.FACE_KINDS}
    text = (ROOT / "docs" / "outputs.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|", text, re.M))
    assert set(rows) == set(outputs.KINDS)
    for name, kind in kinds.items():
        subject = "NAME" if name in outputs.PHOTO_KINDS else "NAME_face0"
        assert rows[name] == subject + kind.ending


EXAMPLES = [
    pytest.param(step, id=f"{name_of(page)}:{step.line}")
    for page in PAGES
    for step in steps(page)
    if isinstance(step, Block)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_use_existing_names(example):
    """Checks the imports and the `tdl` attributes of examples, including those that run elsewhere."""
    for node in ast.walk(ast.parse(example.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("twodasl_jax"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id != "tdl" or hasattr(
                importlib.import_module("twodasl_jax"), node.attr
            )


@pytest.mark.parametrize("page", QUICK)
def test_quick_examples_run_in_order(page, face_model):
    names = documentation_inputs.names_of(page, face_model)
    for step in steps(ROOT / page):
        if isinstance(step, Block):
            exec(compile("\n" * step.line + step.text, page, "exec"), names)
