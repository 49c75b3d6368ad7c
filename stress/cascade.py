"""Does a cancellation reach everybody in a tree, and does the tree end, whatever comes and goes in it meanwhile?

Interleavings aimed at, one kind a round in turn:
  attach    children attach, also to children, while the root is cancelled: seen by the cascade, or told as they attach
  complete  the last children complete while the root completes and somebody cancels it: one end, one cause
  fail      two leaves of a tree six deep fail while a third thread cancels a branch: all end, the first failure stays
  waiting   coroutines that wait on Default and IO are cancelled while they suspend and while they are resumed
  join      three threads join what a fourth cancels: all of them come back

    python -m stress cascade --seconds 60
"""

from __future__ import annotations

import sys

from vmscope import (
    CompletableDeferred,
    CompletableJob,
    CoroutineScope,
    Dispatchers,
    Job,
    await_cancellation,
    delay,
    run_blocking,
    yield_,
)

from ._soak import Soak, run

DEEP = 6


class Cascade(Soak):
    kinds = ("attach", "complete", "fail", "waiting", "join")

    def attach(self) -> None:
        root = Job()
        made: list[CompletableJob] = []

        def attach() -> None:
            parent: Job = root
            for _ in range(5):
                child = Job(parent)
                made.append(child)
                parent = child

        self.at_once(attach, root.cancel, attach)
        assert root.is_completed
        assert all(job.is_cancelled and job.is_completed for job in made), made

    def complete(self) -> None:
        root = Job()
        causes: list[BaseException | None] = []
        root.invoke_on_completion(causes.append)
        first, second = Job(root), Job(root)

        def ends() -> None:
            first.complete()
            root.complete()

        self.at_once(ends, second.complete, root.cancel)
        assert root.is_completed
        assert len(causes) == 1
        assert (causes[0] is not None) == root.is_cancelled

    def fail(self) -> None:
        root: CompletableDeferred[None] = CompletableDeferred()
        level: list[CompletableDeferred[None]] = [root]
        everybody = [root]
        for _ in range(DEEP):
            level = [CompletableDeferred(parent=parent) for parent in level for _ in range(2)]
            everybody += level
        failures = [ValueError("left"), ValueError("right")]

        def fail(leaf: CompletableDeferred[None], failure: BaseException) -> None:
            leaf.complete_exceptionally(failure)

        branch = everybody[self.random.randrange(1, 1 + 2 + 4)]
        self.at_once(
            lambda: fail(level[0], failures[0]), lambda: fail(level[-1], failures[1]), lambda: branch.cancel("branch")
        )
        # A leaf that the branch's cancellation met first has no failure to pass on: then the root is as it was.
        ended = root.get_completion_exception_or_none() if root.is_completed else None
        assert ended in (None, *failures), ended
        if ended is None:
            root.cancel()
        assert all(job.is_completed and not list(job.children) for job in everybody)

    def waiting(self) -> None:
        scope = CoroutineScope(Job())

        def busy():
            while True:
                yield from yield_()

        jobs = [
            scope.launch(block, context=where)
            for where in (Dispatchers.Default, Dispatchers.IO)
            for block in (await_cancellation, busy, lambda: delay(60.0))
        ]
        gate: CompletableDeferred[None] = CompletableDeferred()
        jobs += [scope.launch(gate.await_) for _ in range(3)]
        self.at_once(gate.complete, scope.cancel)
        run_blocking(scope.coroutine_context[Job].join)
        assert all(job.is_completed for job in jobs), jobs

    def join(self) -> None:
        job = CoroutineScope(Job() + Dispatchers.Default).launch(await_cancellation)

        def join() -> None:
            run_blocking(job.join)
            assert job.is_completed

        self.at_once(join, join, job.cancel, join)


if __name__ == "__main__":
    sys.exit(run(Cascade, __doc__))
