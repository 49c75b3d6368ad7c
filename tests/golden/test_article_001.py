"""Article 001, "Easy Coroutines in Android: viewModelScope"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vmscope import Job, ViewModel, await_cancellation

if TYPE_CHECKING:
    from tests.virtual_main import VMain


def test_1_7_the_scope_is_dead_inside_on_cleared(main: VMain) -> None:
    log: list[str] = []

    class Model(ViewModel):
        def on_cleared(self) -> None:
            job = self.view_model_scope.coroutine_context[Job]
            assert job is not None
            log.append(f"on_cleared active={self.view_model_scope.is_active} cancelled={job.is_cancelled}")
            log.append(f"launched {self.view_model_scope.launch(lambda: log.append('never')).is_cancelled}")

    def work() -> Iterator[Any]:
        try:
            yield from await_cancellation()
        finally:
            log.append("work over")

    model = Model()
    model.view_model_scope.launch(work)
    model.clear()
    main.drain()

    assert log == ["work over", "on_cleared active=False cancelled=True", "launched True"]
