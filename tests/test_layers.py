"""The picture of docs/architecture.md, checked: imports run downward only, and heavy libraries wait until needed."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import packlight

PACKAGE = Path(packlight.__file__).parent
ROWS = (
    {
        "errors",
        "extras",
        "origin",
        "files",
        "progress",
        "figures",
        "environment",
        "stats",
        "timing",
        "hub",
        "tokenization",
        "ngrams",
        "sessions",
        "telemetry",
    },
    {"dataset", "artifact", "provenance", "recipe", "measurement", "checkpoint", "classifier"},
    {"steps", "engines"},
    {"golden", "predictor", "benchmark", "report", "recommend", "capacity", "card", "roofline"},
    {"pipeline", "distillation"},
    {"serve", "load", "deploy", "compare", "push", "search", "shootout"},
    {"cli"},
)
"""the lowest first; a module may import its own row, but no two of them each other"""
DATA_ONLY = ("measurement", "recommend", "capacity", "report", "compare")
HEAVY = ("torch", "transformers", "onnxruntime", "onnx", "accelerate", "matplotlib", "huggingface_hub", "datasets")
WITHOUT_TORCH = ("torch", "transformers", "onnx", "onnxscript", "accelerate")


def part_of(file):
    """The top-level module or package that a file belongs to; none for the two that everyone may import or start."""
    relative = file.relative_to(PACKAGE)
    return None if relative.name in ("__init__.py", "__main__.py") and len(relative.parts) == 1 else relative.parts[0]


def imports_of(file):
    """Top-level parts of packlight that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            base = node.module or ""
            names = [f"packlight.{alias.name}" for alias in node.names] if base == "packlight" else [base]
        for name in names:
            head, _, rest = name.partition(".")
            if head == "packlight" and rest and not rest.startswith("__"):
                yield rest.split(".")[0]


def graph():
    found = {}
    for file in PACKAGE.rglob("*.py"):
        if (part := part_of(file)) is not None:
            found.setdefault(part.removesuffix(".py"), set()).update(imports_of(file))
    return {part: imported - {part} for part, imported in found.items()}


def row_of(part):
    return next(number for number, row in enumerate(ROWS) if part in row)


def test_every_part_has_its_row():
    parts = set(graph())
    assert parts <= set().union(*ROWS), "say in ROWS, and in docs/architecture.md, where the new part stands"


def test_imports_run_downward_only():
    upward = [
        f"{part} -> {other}" for part, others in graph().items() for other in others if row_of(other) > row_of(part)
    ]
    assert upward == []


def test_no_two_parts_import_each_other():
    order = list(TopologicalSorter(graph()).static_order())
    assert set(order) == set(graph())


def test_steps_and_engines_do_not_know_each_other():
    known = graph()
    assert "engines" not in known["steps"]
    assert "steps" not in known["engines"]


@pytest.mark.parametrize("part", DATA_ONLY)
def test_what_reads_measurements_knows_no_model(part):
    assert graph()[part].isdisjoint({"steps", "engines", "classifier", "checkpoint", "pipeline", "benchmark"})


def test_onnxruntime_comes_from_one_place():
    """Its subpackages are imported where they are used, beside the module that switches its usage reports off."""
    for file in PACKAGE.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        if file.name != "sessions.py":
            assert "onnxruntime" not in names, f"{file}: take it from packlight.sessions"
        if any(name.startswith("onnxruntime") for name in names):
            assert file.name == "sessions.py" or "packlight.sessions" in names, f"{file}: import packlight.sessions too"


def loaded_by(code, *, forbidden=()):
    """Which heavy libraries a fresh interpreter has loaded after some code; `forbidden` ones cannot be imported."""
    hook = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {forbidden!r}: raise ModuleNotFoundError(name + ' is blocked', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    tail = f"\nprint('LOADED', *[name for name in {HEAVY!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", hook + code + tail], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()[-1].split()[1:]


def test_importing_packlight_loads_no_heavy_library():
    assert loaded_by("import packlight; packlight.errors; dir(packlight)") == []


def test_asking_for_help_loads_no_heavy_library():
    code = (
        "from packlight.cli import app\n"
        "for words in (['--help'], ['run', '--help'], ['measure', '--help'], ['--version']):\n"
        "    try: app(words)\n"
        "    except SystemExit as end: assert not end.code"
    )
    assert loaded_by(code) == []


def test_the_names_that_need_no_torch_load_without_it():
    code = (
        "import packlight\n"
        "for name in packlight.__all__:\n"
        "    if packlight._HOME.get(name) not in packlight._NEEDS_TORCH: getattr(packlight, name)"
    )
    assert "torch" not in loaded_by(code, forbidden=WITHOUT_TORCH)


def test_measuring_artifacts_is_imported_without_torch():
    code = "import packlight.pipeline.measuring, packlight.pipeline.alone, packlight.benchmark.worker"
    assert "torch" not in loaded_by(code, forbidden=WITHOUT_TORCH)
