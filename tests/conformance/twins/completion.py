"""invoke_on_completion: when a handler runs, with what, and what becomes of one that raises."""

from __future__ import annotations

from ..harness import *


@scenario("completion.late_registration_runs_now")
def late_registration_runs_now(tr):
    def main():
        j = launch(lambda: None)
        yield from j.join()
        j.invoke_on_completion(lambda cause: tr.t(f"ok {d(cause)}"))
        tr.t("after")
        k = launch(await_cancellation)
        yield from yield_()
        yield from k.cancel_and_join()
        k.invoke_on_completion(lambda cause: tr.t(f"cancelled {d(cause)}"))
        c = CompletableDeferred()
        c.complete_exceptionally(Boom())
        c.invoke_on_completion(lambda cause: tr.t(f"failed {d(cause)}"))

    run_blocking(main)


@scenario("completion.oncancelling_when_failing_and_normal")
def oncancelling_when_failing_and_normal(tr):
    async def body():
        try:
            await await_cancellation()
        finally:
            tr.t("b finally")

    async def main():
        a = launch(lambda: tr.t("a body"))
        a.invoke_on_completion(lambda cause: tr.t(f"a {d(cause)} {st(a)}"), on_cancelling=True)
        await a.join()
        b = launch(body)
        b.invoke_on_completion(lambda cause: tr.t(f"b {d(cause)} {st(b)}"), on_cancelling=True)
        await yield_()
        b.cancel("x")
        await b.join()

    run_blocking(main)


@scenario("completion.oncancelling_called_once")
def oncancelling_called_once(tr):
    def main():
        b = launch(await_cancellation)
        calls = []
        b.invoke_on_completion(calls.append, on_cancelling=True)
        yield from yield_()
        b.cancel()
        b.cancel()
        yield from b.join()
        tr.t(len(calls))

    run_blocking(main)


@scenario("completion.oncancelling_registered_while_cancelling")
def oncancelling_registered_while_cancelling(tr):
    def cleanup():
        yield from yield_()
        yield from yield_()

    def body():
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, cleanup)

    def main():
        b = launch(body)
        yield from yield_()
        b.cancel("x")
        b.invoke_on_completion(lambda cause: tr.t(f"now {d(cause)}"), on_cancelling=True)
        b.invoke_on_completion(lambda cause: tr.t(f"later {d(cause)}"))
        tr.t("registered")
        yield from b.join()

    run_blocking(main)


@scenario("completion.handler_before_joiner_resumes")
def handler_before_joiner_resumes(tr):
    def main():
        j = launch(lambda: None)

        def joiner():
            yield from j.join()
            tr.t("joiner")

        launch(joiner, start=CoroutineStart.UNDISPATCHED)
        j.invoke_on_completion(lambda _: tr.t("handler"))
        yield from j.join()
        tr.t("main joiner")

    run_blocking(main)


@scenario("completion.handler_of_parent_after_child")
def handler_of_parent_after_child(tr):
    jobs = {}

    def body():
        me = current_job()
        jobs["c"] = launch(delay, ms(5))
        jobs["c"].invoke_on_completion(lambda _: tr.t(f"child handler, parent {st(me)}"))

    async def main():
        p = launch(body)
        p.invoke_on_completion(lambda _: tr.t(f"parent handler, child {st(jobs['c'])}"))
        await p.join()

    run_blocking(main)


@scenario("completion.dispose_inside_handler")
def dispose_inside_handler(tr):
    def main():
        handles = {}

        def first(_):
            tr.t("h1")
            handles["h"].dispose()

        j = launch(lambda: None)
        j.invoke_on_completion(first)
        handles["h"] = j.invoke_on_completion(lambda _: tr.t("h2 still runs"))
        j.invoke_on_completion(lambda _: tr.t("h3"))
        yield from j.join()

    run_blocking(main)


@scenario("completion.handler_sees_completed_state")
def handler_sees_completed_state(tr):
    def main():
        j = launch(lambda: None)
        j.invoke_on_completion(lambda _: tr.t(st(j)))
        yield from j.join()

    run_blocking(main)


@scenario("completion.deferred_value_in_handler")
def deferred_value_in_handler(tr):
    def main():
        a = async_(lambda: 42)
        a.invoke_on_completion(lambda _: tr.t(a.get_completed()))
        yield from a.join()

    run_blocking(main)


@scenario("completion.exception_in_handler_of_cancelled_launch")
def exception_in_handler_of_cancelled_launch(tr):
    def bad(_):
        raise IllegalStateError("bad handler")

    def main():
        j = CoroutineScope(current_context() + SupervisorJob() + tr.ceh()).launch(await_cancellation)
        j.invoke_on_completion(bad)
        yield from yield_()
        yield from j.cancel_and_join()
        tr.t(st(j))

    run_blocking(main)
