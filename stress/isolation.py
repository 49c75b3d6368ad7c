"""Does a failure below a supervisor stay where it is, and is it told once, whatever fails beside it at the same time?

Interleavings aimed at, one kind a round in turn:
  jobs      children of one SupervisorJob fail on three threads while their sisters complete and others attach
  tasks     coroutines on Default and IO fail at once: each failure goes to the handler once, sisters end in peace
  nested    a subtree under a supervisor fails from two leaves: it goes as a whole, once, and nothing beside it
  scope     supervisor_scope: children fail and it waits for the rest, its caller lives on
  cancel    a child fails while the supervisor is cancelled: told, or cancelled with the rest, and never both

    python -m stress isolation --seconds 60
"""

from __future__ import annotations

import sys

from vmscope import (
    CompletableDeferred,
    CoroutineExceptionHandler,
    CoroutineScope,
    Dispatchers,
    Job,
    SupervisorJob,
    coroutine_scope,
    launch,
    run_blocking,
    supervisor_scope,
    yield_,
)

from ._soak import Soak, run


class Isolation(Soak):
    kinds = ("jobs", "tasks", "nested", "scope", "cancel")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.told: list[BaseException] = []
        self.handler = CoroutineExceptionHandler(lambda context, failure: self.told.append(failure))

    def jobs(self) -> None:
        supervisor = SupervisorJob()
        failing = [CompletableDeferred(parent=supervisor) for _ in range(3)]
        sister, waiting = CompletableDeferred(parent=supervisor), Job(supervisor)
        late: list[Job] = []

        def fail(child: CompletableDeferred) -> None:
            child.complete_exceptionally(ValueError("child"))
            late.append(Job(supervisor))

        self.at_once(*(lambda child=child: fail(child) for child in failing), lambda: sister.complete(1))
        assert supervisor.is_active
        assert waiting.is_active
        assert all(job.is_active for job in late)
        assert all(job.is_cancelled for job in failing)
        assert sister.get_completed() == 1
        supervisor.cancel()
        assert supervisor.is_completed
        assert all(job.is_completed for job in (waiting, *late))

    def tasks(self) -> None:
        self.told.clear()
        failures = [ValueError(n) for n in range(4)]
        scope = CoroutineScope(SupervisorJob() + self.handler)

        def fail(failure: BaseException):
            self.spin(50)
            raise failure
            yield

        def go_on():
            for _ in range(3):
                yield from yield_()
            return "in peace"

        sisters = [scope.async_(go_on, context=where) for where in (Dispatchers.Default, Dispatchers.IO)]
        jobs = [
            scope.launch(fail, failure, context=where)
            for failure, where in zip(failures, 2 * (Dispatchers.Default, Dispatchers.IO), strict=True)
        ]
        assert [run_blocking(sister.await_) for sister in sisters] == 2 * ["in peace"]
        for job in jobs:
            run_blocking(job.join)
        assert sorted(failure.args[0] for failure in self.told) == [0, 1, 2, 3], self.told
        assert scope.is_active
        scope.cancel()

    def nested(self) -> None:
        self.told.clear()
        scope = CoroutineScope(SupervisorJob() + self.handler + Dispatchers.Unconfined)
        gates = [CompletableDeferred() for _ in range(2)]

        def leaf(gate: CompletableDeferred):
            yield from gate.await_()
            raise ValueError("leaf")

        def branch():
            for gate in gates:
                launch(lambda gate=gate: coroutine_scope(leaf, gate))
            yield from CompletableDeferred().await_()

        tree = scope.launch(branch)
        sister = scope.launch(CompletableDeferred().await_)
        self.at_once(*(gate.complete for gate in gates))
        run_blocking(tree.join)
        assert len(self.told) == 1, self.told
        assert sister.is_active
        assert [*scope.coroutine_context[Job].children] == [sister]
        scope.cancel()
        assert sister.is_completed

    def scope(self) -> None:
        self.told.clear()
        ended: list[str] = []

        def child(n: int) -> None:
            self.spin(50)
            if n % 2:
                raise ValueError(n)
            ended.append("child")

        def children() -> str:
            for n in range(4):
                launch(child, n)
            return "body"

        def caller():
            return (yield from supervisor_scope(children))

        assert run_blocking(caller, context=self.handler + Dispatchers.Default) == "body"
        assert len(self.told) == 2, self.told
        assert ended == ["child", "child"], ended

    def cancel(self) -> None:
        self.told.clear()
        scope = CoroutineScope(SupervisorJob() + self.handler + Dispatchers.Unconfined)
        gate: CompletableDeferred[None] = CompletableDeferred()

        def fail():
            yield from gate.await_()
            raise ValueError("child")

        child = scope.launch(fail)
        causes: list[BaseException | None] = []
        child.invoke_on_completion(causes.append)
        self.at_once(gate.complete, scope.cancel)
        run_blocking(scope.coroutine_context[Job].join)
        assert len(causes) == 1
        assert self.told == [cause for cause in causes if isinstance(cause, ValueError)], (self.told, causes)


if __name__ == "__main__":
    sys.exit(run(Isolation, __doc__))
