"""Imports point one way: a folder uses only the folders in the rows above its own; two in one row never meet."""

import ast
from pathlib import Path

import neocog

ROWS = [
    "errors",
    "files runtime progress draw",
    "download",
    "data layers classical",
    "models",
    "weights",
    "analysis bundle",
    "export",
    "inference",
    "evaluation",
    "probing",
    "training",
    "adaptation inside retrieval",
    "experiments",
    "api",
    "see server explorer",
    "cli",
]
ROW = {folder: i for i, row in enumerate(ROWS) for folder in row.split()}
ROOT = Path(neocog.__file__).parent


def imports(path: Path) -> set[str]:
    """Folders of neocog that a file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("neocog.")}


def folder_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {there}"
        for path in ROOT.rglob("*.py")
        if not folder_of(path).startswith("__")
        for there in imports(path) - {folder_of(path)}
        if ROW[there] >= ROW[folder_of(path)]
    ]
    assert not wrong, wrong


def test_openvino_is_imported_through_one_door() -> None:
    """Anyone else's import would start its telemetry."""
    users = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(a.name.split(".")[0] == "openvino" for a in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "openvino")
    }
    assert users == {"inference/openvino_engine.py"}


def test_nothing_is_unpickled() -> None:
    """No pickle, and torch.load only with weights_only=True."""
    wrong = []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
                wrong += [
                    f"{path} imports {name}" for name in names & {"pickle", "joblib", "cloudpickle", "dill"}
                ]
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                safe = [
                    k for k in node.keywords if k.arg == "weights_only" and ast.unparse(k.value) == "True"
                ]
                wrong += [] if safe else [f"{path}:{node.lineno} loads without weights_only=True"]
    assert not wrong, wrong


ONE_LOOP = "train_loop"  # which is to be read from top to bottom in one place


def test_files_and_functions_stay_small() -> None:
    wrong = []
    for path in ROOT.rglob("*.py"):
        text = path.read_text()
        if text.count("\n") > 300:
            wrong.append(f"{path.name} has {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                lines = (
                    (node.end_lineno or 0) - node.body[0].lineno + 1
                )  # a verb's flags are a table, not code
                wrong += (
                    [f"{path.name}: {node.name} has {lines} lines"]
                    if lines > 40 and node.name != ONE_LOOP
                    else []
                )
    assert not wrong, wrong
