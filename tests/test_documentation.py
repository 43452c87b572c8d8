"""What the pages say is so: links, commands, files, flags, and the examples that need nothing but the package.

`tests/test_documented_commands.py` runs the commands and the other examples.
"""

import ast
import configparser
import importlib
import pathlib
import re

import pytest
from absl import flags

from tests.helpers import program_flags, stand_ins
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
PROGRAMS = sorted((ROOT / "experiments").glob("*.py"))
# Beside the programs the folder holds what they import, and the package's own program as a file.
PARTS = {"demo_photos", "timing", "plain_torch", "reconstruct"}
# Pages whose examples take a second or two; those of the others are run by tests/test_documented_commands.py.
QUICK = ["docs/coordinates.md", "docs/data_preparation.md"]
# Flags and files in the text of pages that are not of this project's programs.
FOREIGN_FLAGS = {"--help", "--logdir", "--version"}
FOREIGN_FILES = {"configs/param_mean_std_62d_120x120.pkl"}
_FILE = re.compile(r"(?<![\w./-])(?:experiments|configs|tests|docs|twodasl_jax)/[\w./-]*\w")


def name_of(path):
    return str(path.relative_to(ROOT))


pages = pytest.mark.parametrize("page", PAGES, ids=name_of)


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    """Commands name configs by their place in the checkout."""
    monkeypatch.chdir(ROOT)


@pages
def test_every_link_leads_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        if "://" not in path:
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pages
def test_every_page_is_reached_from_the_first_and_from_the_index(page):
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
    """Raises where a program would refuse a command before it does anything, or a file of the checkout is missing."""
    first, *arguments = command.words
    CHECKS[first](arguments)
    for name in _FILE.findall(str(command)):
        assert (ROOT / name).exists(), name


def checked(commands):
    """Checks commands; the message names the one that is wrong."""
    for command in commands:
        try:
            check(command)
        except (AssertionError, flags.Error, AttributeError, SystemExit) as error:
            pytest.fail(f"{command}\n{error}", pytrace=False)


@pages
def test_the_programs_know_the_commands(page):
    checked(step for step in steps(page) if isinstance(step, Command))


@pytest.mark.parametrize(
    "folder", ["experiments", "configs", "twodasl_jax"], ids=lambda folder: folder
)
def test_the_programs_know_the_commands_of_docstrings(folder):
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
        "python experiments/render_faces.py --output_dir=synthetic 500",
        "python experiments/export_weights.py --workdir=tests/no_run --output=weights.npz",
        "JAX_PLATFORMS=cpu twodasl-reconstruct portrait.jpg --colour",
        "twodasl-reconstruct portrait.jpg --outputs=stl",
        "make tests",
        "pip install -e '.[no_extra]'",
    ],
)
def test_a_wrong_command_is_noticed(wrong, capsys):
    with pytest.raises(pytest.fail.Exception):
        checked(commands_in(wrong))


def test_commands_are_read_as_a_shell_would():
    text = """
        D="python experiments/a.py --x=1"    # for all
        $D --y=2 \\
            --z=3
        A="b c" python experiments/b.py --p [--q=1 [--r]] # to be left out
    """
    first, second = commands_in(text)
    assert str(first) == "python experiments/a.py --x=1 --y=2 --z=3"
    assert second.words == ("python", "experiments/b.py", "--p", "--q=1", "--r")
    assert second.shortest == ("python", "experiments/b.py", "--p")


@pytest.fixture(scope="module")
def known_flags():
    """The flags of all programs."""
    defined = [program_flags.defined_by(program) for program in PROGRAMS]
    names = {name for program in defined for name in program}
    names |= {f"no{name}" for program in defined for name in program if program[name].boolean}
    arguments = re.findall(r'"--(\w+)"', pathlib.Path(cli.__file__).read_text("utf-8"))
    return FOREIGN_FLAGS | {f"--{name}" for name in [*names, *arguments]}


@pages
def test_flags_and_files_in_the_text_exist(page, known_flags):
    for code in inline_code(page):
        assert set(re.findall(r"(?<![\w-])--\w+", code)) <= known_flags, code
        for name in set(_FILE.findall(code)) - FOREIGN_FILES:
            assert (ROOT / name).exists(), code


@pytest.mark.parametrize(
    "program", [path for path in PROGRAMS if path.stem not in PARTS], ids=name_of
)
def test_every_program_is_on_some_page(program):
    assert any(program.name in page.read_text("utf-8") for page in PAGES)


def test_every_kind_of_output_has_its_row():
    kinds = {**outputs.OF_PHOTO, **outputs.OF_FACE}
    text = (ROOT / "docs" / "outputs.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|", text, re.M))
    assert set(rows) == set(outputs.KINDS)
    for name, kind in kinds.items():
        subject = "NAME" if name in outputs.OF_PHOTO else "NAME_face0"
        assert rows[name] == subject + kind.ending


EXAMPLES = [
    pytest.param(step, id=f"{name_of(page)}:{step.line}")
    for page in PAGES
    for step in steps(page)
    if isinstance(step, Block)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_an_example_takes_from_the_package_is_there(example):
    """An example that is not run here at least imports what exists, and uses no name of the package that does not."""
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
def test_the_examples_of_a_page_run_from_top_to_bottom(page, face_model):
    names = stand_ins.names_of(page, face_model)
    for step in steps(ROOT / page):
        if isinstance(step, Block):
            exec(compile("\n" * step.line + step.text, page, "exec"), names)
