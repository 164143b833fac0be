"""The picture of docs/architecture.md, checked: imports run downward only, and heavy libraries wait until needed."""

import ast
import pkgutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import packlight
from packlight.extras import EXTRA_OF
from packlight.runtime.engines import engine_infos
from packlight.steps import step_types

PACKAGE = Path(packlight.__file__).parent
BASE = {
    "core_yaml",
    "errors",
    "expected",
    "extras",
    "files",
    "formatting",
    "hub",
    "locks",
    "origin",
    "process",
    "progress",
    "spinning",
    "telemetry",
}
ROOMS = (
    "data",
    "models",
    "runtime",
    "measure",
    "scoring",
    "steps",
    "recipes",
    "analysis",
    "report",
    "pipeline",
    "engine_selection",
    "search",
    "serve",
    "api",
    "sklearn",
    "ray",
    "spark",
    "cli",
)
"""in import order: a room imports only the base and the rooms before it"""
HEAVY = (
    "torch",
    "transformers",
    "onnxruntime",
    "onnx",
    "accelerate",
    "vl_convert",
    "huggingface_hub",
    "datasets",
    "scipy",
)
WITHOUT_TORCH = ("torch", "transformers", "onnx", "onnxscript", "accelerate")
SERIALIZED_FORMS = ("analysis", "report")
"""rooms that read results as plain data"""


STEP_CLASSES = {base.__name__ for kind in step_types().values() for base in kind.__mro__} - {"Step", "Struct", "object"}


def files():
    return [each for each in PACKAGE.rglob("*.py") if not (each.parent == PACKAGE and each.name.startswith("__"))]


def module_of(file):
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(file):
    """Dotted names within packlight that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            head, _, rest = name.partition(".")
            if head == "packlight" and rest and not rest.startswith("__"):
                yield rest


def room_graph():
    found = {}
    for file in files():
        own = module_of(file).partition(".")[0]
        found.setdefault(own, set()).update(each.partition(".")[0] for each in imports_of(file))
    return {room: imported - {room} for room, imported in found.items()}


def place(room):
    return -1 if room in BASE else ROOMS.index(room)


def test_every_module_is_in_a_room():
    assert set(room_graph()) <= BASE | set(ROOMS), (
        "put it into a room, or add the room here and to docs/architecture.md"
    )


def test_imports_run_downward_only():
    upward = [
        f"{module_of(file)} -> {name}"
        for file in files()
        for name in imports_of(file)
        if place(name.partition(".")[0]) > place(module_of(file).partition(".")[0])
    ]
    assert upward == []


def test_no_two_rooms_import_each_other():
    order = list(TopologicalSorter(room_graph()).static_order())
    assert set(order) == set(room_graph())


def test_no_step_imports_another():
    steps = {each.name for each in pkgutil.iter_modules([str(PACKAGE / "steps")]) if each.ispkg} - {"training", "onnx"}
    crossing = [
        f"{module_of(file)} -> {name}"
        for file in (PACKAGE / "steps").glob("*/*.py")
        for name in imports_of(file)
        if file.parent.name in steps and name.startswith("steps.") and name.split(".")[1] in steps - {file.parent.name}
    ]
    assert crossing == []


def test_no_shared_file_of_the_steps_imports_a_steps():
    steps = {word.replace("-", "_") for word in step_types()}
    shared = [each for each in (PACKAGE / "steps").rglob("*.py") if each.parent.name not in steps]
    upward = [
        f"{module_of(file)} -> {name}"
        for file in shared
        for name in imports_of(file)
        if name.startswith("steps.") and name.split(".")[1] in steps
    ]
    assert upward == []


def test_nothing_outside_the_steps_asks_for_a_step_by_its_class():
    asked = [
        f"{module_of(file)}: {each.id}"
        for file in files()
        if not module_of(file).startswith("steps")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "isinstance"
        for each in ast.walk(call.args[1])
        if isinstance(each, ast.Name) and each.id in STEP_CLASSES
    ]
    assert asked == [], "say it on the class, as an attribute of Step"


def outside_the_engines():
    return [each for each in files() if not module_of(each).startswith("runtime.engines")]


def test_only_steps_import_a_module_of_an_engine():
    importing = {
        module_of(file).partition(".")[0]
        for file in outside_the_engines()
        for name in imports_of(file)
        if name.startswith("runtime.engines.") and name.split(".")[2] in engine_modules()
    }
    assert importing == {"steps"}, "say it on EngineInfo or Engine"


def engine_modules():
    return {each.name for each in pkgutil.iter_modules([str(PACKAGE / "runtime" / "engines")])}


def engine_names_asked_for(tree):
    """Names of engines in a comparison with an engine, or in a mapping or `match` that an engine chooses from."""
    for node in ast.walk(tree):
        inner = list(ast.walk(node.subject)) if isinstance(node, ast.Match) else list(ast.walk(node))
        chooses = isinstance(node, ast.Compare | ast.Match | ast.Subscript) or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Dict)
        )
        if chooses and any(isinstance(each, ast.Attribute | ast.Name) and "engine" in name_of(each) for each in inner):
            strings = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))
            yield from (each for each in strings if each in engine_infos())


def name_of(node):
    return node.attr if isinstance(node, ast.Attribute) else node.id


@pytest.mark.parametrize(
    "code",
    [
        'manifest.engine == "cascade"',
        '(engine, precision) != ("torch", "fp32")',
        '{"torch": "export"}.get(artifact.manifest.engine)',
        '{"torch": "export"}[engine]',
        'match row.engine:\n    case "onnxruntime":\n        pass',
    ],
)
def test_a_question_for_an_engine_by_its_name_is_found(code):
    assert list(engine_names_asked_for(ast.parse(code)))


def test_nothing_outside_the_engines_asks_for_an_engine_by_its_name():
    asked = [
        f"{module_of(file)}: {name}"
        for file in outside_the_engines()
        for name in engine_names_asked_for(ast.parse(file.read_text()))
    ]
    assert asked == [], "say it on EngineInfo"


def test_what_applies_a_step_is_loaded_by_the_registry_and_the_trainer_alone():
    loading = {
        module_of(file)
        for file in files()
        for name in imports_of(file)
        if name.startswith("steps.") and ".apply." in name and file.parent.name != name.split(".")[1]
    }
    assert loading == {"api.distillation"}


def test_no_room_bears_the_name_of_a_public_function():
    """Importing a submodule binds its name in the package, in place of the function."""
    assert set(ROOMS).isdisjoint(packlight.__all__)
    assert {*ROOMS, *BASE}.isdisjoint(word.replace("-", "_") for word in step_types())


@pytest.mark.parametrize("room", SERIALIZED_FORMS)
def test_what_reads_results_knows_no_model(room):
    assert room_graph()[room].isdisjoint({"models", "pipeline"})


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


def test_the_command_line_starts_without_any_extra():
    code = (
        "from typer.main import get_command\n"
        "from packlight.cli import app\n"
        "assert len([*get_command(app).commands.values()]) >= 25"
    )
    assert loaded_by(code, forbidden=tuple(EXTRA_OF)) == []


def test_a_command_loads_no_other_command():
    code = (
        "import sys\n"
        "from packlight.cli import app\n"
        "assert not {'numpy', 'rich'} & sys.modules.keys()\n"
        "try: app(['predict', '--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'packlight.cli.predict' in sys.modules\n"
        "others = ('cli.compare', 'cli.steps', 'cli.run', 'pipeline', 'report', 'serve', 'models', 'steps.export.options')\n"
        "assert not [each for each in others if f'packlight.{each}' in sys.modules]"
    )
    assert loaded_by(code) == []


def test_running_an_artifact_needs_no_scipy():
    code = (
        "import packlight, packlight.serve.server, packlight.serve.worker, packlight.measure.worker, packlight.report.table\n"
        "import packlight.cli.predict, packlight.cli.serve\n"
        "packlight.Predictor, packlight.plan, packlight.read_measurements"
    )
    assert "scipy" not in loaded_by(code, forbidden=("scipy", "sklearn", *WITHOUT_TORCH))


def test_asking_for_help_loads_no_heavy_library():
    code = (
        "from packlight.cli import app\n"
        "for words in (['--help'], ['run', '--help'], ['measure', '--help'], ['--version']):\n"
        "    try: app(words)\n"
        "    except SystemExit as end: assert not end.code"
    )
    assert loaded_by(code) == []


def test_the_options_of_every_step_load_without_heavy_libraries():
    assert loaded_by("from packlight.steps import step_types; assert len(step_types()) >= 10") == []


def test_rooms_of_plain_data_load_without_torch_and_onnxruntime():
    modules = sorted(module_of(file) for file in files() if module_of(file).startswith(("analysis", "recipes")))
    code = "".join(f"import packlight.{each}\n" for each in modules)
    assert {"torch", "onnxruntime"}.isdisjoint(loaded_by(code, forbidden=WITHOUT_TORCH))


def test_the_names_that_need_no_torch_load_without_it():
    code = (
        "import packlight\n"
        "for name in packlight.__all__:\n"
        "    if packlight._HOME.get(name) not in packlight._NEEDS_TORCH: getattr(packlight, name)"
    )
    assert "torch" not in loaded_by(code, forbidden=WITHOUT_TORCH)


def test_measuring_artifacts_is_imported_without_torch():
    code = "import packlight.pipeline.measure_run, packlight.pipeline.locking, packlight.measure.worker"
    assert "torch" not in loaded_by(code, forbidden=WITHOUT_TORCH)
