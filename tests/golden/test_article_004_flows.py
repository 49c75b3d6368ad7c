"""Article 004, "Constructing a coroutine scope": the two view models that show something through flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmscope import (
    CoroutineExceptionHandler,
    CoroutineScope,
    Dispatchers,
    SupervisorJob,
    ViewModel,
    delay,
)
from vmscope.flow import EventFlow, MutableSharedFlow, MutableStateFlow

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.virtual_main import VMain


class Boom(Exception):
    pass


class BaseViewModel(ViewModel):
    """As in the article, with the kind of flow left open."""

    def __init__(self, failure: Any, tell: Callable[[Any, BaseException], object]) -> None:
        super().__init__()
        self.failure = failure
        handler = CoroutineExceptionHandler(lambda _, throwable: tell(failure, throwable))
        self.scope = CoroutineScope(Dispatchers.Main.immediate + SupervisorJob() + handler)

    def fail(self) -> None:
        def body() -> None:
            raise Boom("shown")

        self.scope.launch(body)


def try_emit(flow: Any, failure: BaseException) -> None:
    flow.try_emit(failure)


def shown_by(main: VMain, model: BaseViewModel) -> list[str]:
    """What a screen shows that collects the failures before, between and after them."""
    log: list[str] = []
    model.fail()
    screen = CoroutineScope(Dispatchers.Main.immediate)
    screen.launch(model.failure.collect, lambda failure: log.append(str(failure)))
    main.drain()
    model.fail()
    main.drain()
    screen.cancel()
    model.scope.cancel()
    return log


def test_4_16_a_failure_that_is_tried_on_a_flow_without_a_buffer_is_never_delivered(main: VMain) -> None:
    """The article's class: without a collector the value is dropped, with one `try_emit` is always False."""
    assert shown_by(main, BaseViewModel(MutableSharedFlow(), try_emit)) == []


def test_4_16_a_buffer_of_one_delivers_to_a_screen_that_is_there(main: VMain) -> None:
    assert shown_by(main, BaseViewModel(MutableSharedFlow(extra_buffer=1), try_emit)) == ["shown"]


def test_4_16_an_event_flow_keeps_the_failure_until_a_screen_is_there(main: VMain) -> None:
    assert shown_by(main, BaseViewModel(EventFlow(), EventFlow.send)) == ["shown", "shown"]


class ArticlesListViewModel(ViewModel):
    """As in the article; `careful` takes the progress down in a `finally`."""

    def __init__(self, produce: Callable[[], Any], careful: bool = False) -> None:
        super().__init__()
        self.progress = MutableStateFlow(False)
        self.articles: MutableStateFlow[Any] = MutableStateFlow("initial")
        self._produce = produce
        self._careful = careful
        self.exception_handler = lambda _context, _failure: None

    def on_create(self) -> None:
        self.view_model_scope.launch(self._load)

    def _load(self) -> Any:
        self.progress.value = True
        try:
            self.articles.value = yield from self._produce()
            self.progress.value = False
        finally:
            if self._careful:
                self.progress.value = False


def slow() -> Any:
    yield from delay(5)
    return ("a", "b")


def broken() -> Any:
    yield from delay(5)
    raise Boom("network")


def fast() -> Any:
    return ("a", "b")
    yield


def seen_by(main: VMain, model: ArticlesListViewModel, dispatcher: Any) -> list[Any]:
    log: list[Any] = []
    screen = CoroutineScope(dispatcher)
    screen.launch(model.progress.collect, log.append)
    screen.launch(model.articles.collect, log.append)
    main.run_current()
    model.on_create()
    main.drain()
    seen = list(log)
    screen.cancel()
    main.drain()  # it ends while there is a main looper to end on
    assert log == seen
    return log


def test_4_21_progress_then_the_list_then_no_progress(main: VMain) -> None:
    model = ArticlesListViewModel(slow)

    assert seen_by(main, model, Dispatchers.Main.immediate) == [False, "initial", True, ("a", "b"), False]
    model.clear()


def test_4_21_on_failure_the_progress_stays(main: VMain) -> None:
    model = ArticlesListViewModel(broken)

    assert seen_by(main, model, Dispatchers.Main.immediate) == [False, "initial", True]
    assert model.progress.value
    model.clear()


def test_4_21_a_finally_takes_the_progress_down_on_failure_too(main: VMain) -> None:
    model = ArticlesListViewModel(broken, careful=True)

    assert seen_by(main, model, Dispatchers.Main.immediate) == [False, "initial", True, False]
    model.clear()


def test_4_21_a_fast_producer_is_conflated_and_a_slow_screen_never_sees_the_progress(main: VMain) -> None:
    model = ArticlesListViewModel(fast)

    assert seen_by(main, model, Dispatchers.Main) == [False, "initial", ("a", "b")]
    model.clear()
