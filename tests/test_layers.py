"""The list of rooms is true: a file imports only what stands above it, so no circle either; faces alone reach down.

The list is read from top to bottom by anybody who wants to know the package. A new file goes where its imports allow.
"""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator

import pytest

ORDER = """
    _errors _clock _primitives _at_exit _thrown
    looper._fd looper._item looper._message looper._queue looper._looper looper._executor looper._handler
    looper._handler_thread looper._test_looper
    coroutines._context coroutines._exceptions coroutines._here coroutines._suspend coroutines._handlers coroutines._job
    coroutines._deferred coroutines._origin coroutines._timer
    coroutines._dispatcher coroutines._pool coroutines._executor coroutines._main
    coroutines._dispatchers coroutines._coroutine coroutines._frame coroutines._slots coroutines._scope
    coroutines._time coroutines._held coroutines._builders coroutines._cancel_scope
    sync._errors sync._line sync._channel sync._mutex sync._semaphore sync._event sync._condition sync._barrier
    sync._limiter sync._rw sync._produce sync._select
    flow._emit flow._sources flow._operators flow._failures flow._terminals flow._iterate flow._channels flow._merge
    flow._timed flow._flow flow._builders flow._hot flow._slots flow._shared flow._state flow._derived flow._started
    flow._sharing flow._events flow._lazy
    lifecycle._extras lifecycle._cleanup lifecycle._viewmodel lifecycle._store
    lifecycle._codec lifecycle._saved_file lifecycle._saved_registry lifecycle._saved_flow lifecycle._saved_state
    lifecycle._saved_delegate lifecycle._saved_handles lifecycle._provider lifecycle._nested
    lifecycle._main_thread lifecycle._states lifecycle._lifecycle_scope lifecycle._lifecycle lifecycle._registry
    lifecycle._repeat lifecycle._with_state lifecycle._process_owner
    lifecycle._live_data lifecycle._mediator lifecycle._transformations lifecycle._live_data_builder lifecycle._flows
    lifecycle._saved_live_data
    interop._errors interop._token interop._envelope interop._outside interop._futures interop._asyncio interop._portal
    interop._offload
    debug._tree debug._stacks debug._watchdog
    hosts._bell hosts._owner hosts._host hosts._frames hosts._values hosts._modal hosts._events
    hosts.tk hosts.qt hosts.asyncio hosts.glib hosts.wx
    testing._events testing._flight testing._hang testing._charge testing._scheduler testing._dispatchers
    testing._checks testing._main testing._guard testing._decorate testing._scope testing._flows testing._shadow
    testing._scenario testing._lifecycle_owner
    testing._explore_places testing._explore_run testing._explore_locks testing._explore
    demo._timeline demo._server demo._screen demo._checks demo._table demo._report demo._story __main__
""".split()
ROOT = pathlib.Path(__file__).parent.parent / "vmscope"
# Loaded on first use, by a function, because not every program needs it: the only ways down.
LATE = {
    "looper._looper": {"debug._watchdog"},
    "coroutines._dispatcher": {"coroutines._executor", "coroutines._timer"},
    "coroutines._deferred": {"interop._futures"},
    "coroutines._dispatchers": {"debug._stacks"},
    "flow._flow": {"flow._sharing", "lifecycle._flows", "lifecycle._states"},
    "flow._hot": {"flow._derived"},
    "lifecycle._saved_state": {"lifecycle._saved_live_data"},
    "lifecycle._live_data": {"lifecycle._transformations", "lifecycle._flows"},
}
# Users start these by name or import them by name; no room does.
ENDS = ("demo", "hosts", "testing", "__main__")
CONCURRENCY = {"threading", "queue", "_thread", "_queue", "multiprocessing"}
# Executors and futures of the standard library: loaded for those who ask for one.
FOR_EXECUTORS = (
    "coroutines._executor", "looper._executor", "interop._futures", "interop._portal", "interop._offload",
)  # fmt: skip
SLOW = {"asyncio", "inspect", "dataclasses", "logging", "concurrent", "multiprocessing", "tkinter"}


def dotted(path: pathlib.Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


PATHS = {dotted(path): path for path in sorted(ROOT.rglob("*.py"))}
FACES = {name for name in PATHS if name.split(".")[-1] == "__init__"}
FILES = sorted(set(PATHS) - FACES)
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}


def imports(node: ast.AST, *, in_functions: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield each import below `node` that is carried out: not what stands under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from imports(other, in_functions=in_functions)
        elif isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif in_functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(child, in_functions=in_functions)


def of_vmscope(name: str, *, in_functions: bool = True) -> Iterator[str]:
    """Yield what of the package the file `name` imports: files by their name in the list, a face as `room.__init__`."""
    for node in imports(TREES[name], in_functions=in_functions):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*name.split(".")[: -node.level], *(node.module or "").split(".")]
            target = ".".join(filter(None, base))
            if target in FILES:
                yield target
                continue
            for alias in node.names:
                inner = f"{target}.{alias.name}".lstrip(".")
                yield inner if inner in FILES else f"{target}.__init__".lstrip(".")


def of_others(name: str, *, in_functions: bool = True) -> set[str]:
    """Return the top name of each module from outside that the file `name` imports."""
    found: set[str] = set()
    for node in imports(TREES[name], in_functions=in_functions):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif not node.level and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_the_list_names_every_file_once() -> None:
    assert sorted(ORDER) == FILES


@pytest.mark.parametrize("name", ORDER)
def test_a_file_imports_only_files_above_it(name: str) -> None:
    allowed = {*ORDER[: ORDER.index(name)], *LATE.get(name, ())}

    below = [other for other in of_vmscope(name) if other not in allowed]

    if name.split(".")[0] in ENDS:
        below = [other for other in below if other not in FACES]
    assert not below, f"{name} imports {', '.join(below)}: not above it in the list, or a face"


@pytest.mark.parametrize("name", ORDER)
def test_no_room_imports_what_users_import_by_name(name: str) -> None:
    room = name.split(".")[0]

    taken = [other for other in of_vmscope(name) if other.split(".")[0] in ENDS]

    assert room in ENDS or not taken


@pytest.mark.parametrize("name", sorted(FACES))
def test_a_face_gives_names_on_and_does_nothing_else(name: str) -> None:
    for number, statement in enumerate(TREES[name].body):
        is_docstring = number == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        is_import = isinstance(statement, ast.ImportFrom) and (statement.level > 0 or statement.module == "__future__")
        is_name = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) in ("__all__", "__version__")
        assert is_docstring or is_import or is_name, f"{name}:{statement.lineno} does more than to pass names on"


@pytest.mark.parametrize("name", sorted(PATHS))
def test_the_package_never_names_itself_in_an_import(name: str) -> None:
    assert "vmscope" not in of_others(name), f"{name}: import relatively, the folder lives under other names too"


@pytest.mark.parametrize("name", sorted(set(FILES) - {"_primitives"}))
def test_locks_threads_and_queues_come_from_one_file(name: str) -> None:
    if name.split(".")[0] in ENDS:
        return

    assert not CONCURRENCY & of_others(name), f"{name}: take it from _primitives"


@pytest.mark.parametrize("name", sorted(set(FILES) - set(FOR_EXECUTORS)))
def test_no_room_imports_what_is_slow_to_load(name: str) -> None:
    if name.split(".")[0] in ENDS:
        return

    assert not SLOW & of_others(name, in_functions=False)


def test_what_is_loaded_late_is_not_loaded_with_the_file() -> None:
    late = set(FOR_EXECUTORS)
    for name in set(FILES) - late:
        assert not late & set(of_vmscope(name, in_functions=False)), f"{name} loads at once what is to be loaded late"


@pytest.mark.parametrize("name", sorted(PATHS))
def test_every_file_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(TREES[name]), f"{name} has no header"
