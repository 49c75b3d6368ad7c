"""ViewModel, its scope and its store on a virtual main looper."""

from __future__ import annotations

from ..harness import *


def throw(exception):
    raise exception


class Resource:
    """Traces its closing."""

    def __init__(self, tr, name):
        self.tr = tr
        self.name = name

    def close(self):
        self.tr.t(f"close {self.name}")


@scenario("vm.scope_context")
def scope_context(tr):
    install_main()
    c = ViewModel().view_model_scope.coroutine_context
    tr.t(type(c[Job]).__name__)
    tr.t(c[CoroutineDispatcher])
    tr.t(c[CoroutineExceptionHandler])
    tr.t(c[CoroutineName])
    tr.t(sum(1 for _ in c))


@scenario("vm.launch_runs_in_place")
def launch_runs_in_place(tr):
    async def body():
        tr.t("in")
        await delay(1)
        tr.t("later")

    with with_main():
        vm = ViewModel()
        vm.view_model_scope.launch(body)
        tr.t("launched")


@scenario("vm.launch_in_init_sees_uninitialised_fields")
def launch_in_init_sees_uninitialised_fields(tr):
    class V(ViewModel):
        def __init__(self):
            super().__init__()
            self.seen = None
            self.view_model_scope.launch(self.look)
            self.field = "set"

        def look(self):
            self.seen = f"field={show(getattr(self, 'field', None))}"

    with with_main():
        v = V()
        tr.t(v.seen)
        tr.t(v.field)


@scenario("vm.clear_cancels_children")
def clear_cancels_children(tr):
    def waiter():
        try:
            yield from await_cancellation()
        finally:
            tr.t("finally")

    with with_main():
        vm = ViewModel()
        j = vm.view_model_scope.launch(waiter)
        tr.t("clear")
        vm.clear()
        tr.t(f"cleared {st(j)}")


@scenario("vm.clear_cancel_message")
def clear_cancel_message(tr):
    async def waiter():
        try:
            await await_cancellation()
        except CancellationException as e:
            tr.t(chain(e))
            raise

    with with_main():
        vm = ViewModel()
        vm.view_model_scope.launch(waiter)
        vm.clear()


@scenario("vm.clear_order")
def clear_order(tr):
    class V(ViewModel):
        def __init__(self):
            super().__init__(None, Resource(tr, "ctor1"), Resource(tr, "ctor2"))

        def on_cleared(self):
            tr.t(f"onCleared scope active {show(self.view_model_scope.is_active)}")

    def waiter():
        try:
            yield from await_cancellation()
        finally:
            tr.t("scope cancelled")

    with with_main():
        v = V()
        v.add_closeable(Resource(tr, "plain"))
        v.add_closeable("k1", Resource(tr, "k1"))
        v.view_model_scope.launch(waiter)
        v.add_closeable("k2", Resource(tr, "k2"))
        v.clear()


@scenario("vm.clear_twice")
def clear_twice(tr):
    class V(ViewModel):
        def __init__(self):
            super().__init__(None, Resource(tr, "r"))

        def on_cleared(self):
            tr.t("onCleared")

    with with_main():
        v = V()
        v.clear()
        tr.t("again")
        v.clear()


@scenario("vm.replace_key_closes_old")
def replace_key_closes_old(tr):
    v = ViewModel()
    v.add_closeable("k", Resource(tr, "old"))
    v.add_closeable("k", Resource(tr, "new"))
    same = Resource(tr, "same")
    v.add_closeable("s", same)
    v.add_closeable("s", same)
    tr.t("clear")
    v.clear()


@scenario("vm.same_plain_closeable_once")
def same_plain_closeable_once(tr):
    v = ViewModel()
    r = Resource(tr, "r")
    v.add_closeable(r)
    v.add_closeable(r)
    v.clear()


@scenario("vm.custom_scope")
def custom_scope(tr):
    job = Job()
    custom = CoroutineScope(Dispatchers.Unconfined + job + CoroutineName("custom"))
    v = ViewModel(custom)
    tr.t(v.view_model_scope is custom)
    tr.t(v.view_model_scope.coroutine_context is custom.coroutine_context)
    v.view_model_scope.launch(lambda: tr.t(current_context()[CoroutineName]))
    v.clear()
    tr.t(st(job))


@scenario("vm.custom_scope_without_job")
def custom_scope_without_job(tr):
    class Raw(CoroutineScope):
        coroutine_context = Dispatchers.Unconfined

        def __init__(self):
            pass

    v = ViewModel(Raw())
    j = v.view_model_scope.launch(await_cancellation)
    v.clear()
    tr.t(st(j))
    j.cancel()


@scenario("vm.uncaught_without_handler")
def uncaught_without_handler(tr):
    with with_main():
        vm = ViewModel()
        vm.view_model_scope.launch(throw, Boom())
        tr.t(f"scope {show(vm.view_model_scope.is_active)}")


@scenario("vm.async_failure_silent")
def async_failure_silent(tr):
    with with_main():
        vm = ViewModel()
        a = vm.view_model_scope.async_(throw, Boom())
        tr.t(st(a))
        vm.clear()


@scenario("vm.withcontext_default_result_after_clear")
def withcontext_default_result_after_clear(tr):
    m = install_main()
    vm = ViewModel()
    gate, started = CompletableDeferred(), CompletableDeferred()

    def work():
        started.complete(None)
        yield from with_context(NonCancellable, gate.await_)
        return "data"

    def load():
        yield from tr.try_t("load", with_context, Dispatchers.Default, work)

    j = vm.view_model_scope.launch(load)
    run_blocking(started.await_)
    vm.clear()
    gate.complete(None)
    m.run_until(lambda: j.is_completed)
    tr.t(st(j))


@scenario("vm.clear_from_inside_own_coroutine")
def clear_from_inside_own_coroutine(tr):
    with with_main():
        vm = ViewModel()

        async def body():
            tr.t("before")
            vm.clear()
            tr.t(f"after {show(is_active())}")
            await tr.try_t("yield", yield_)

        j = vm.view_model_scope.launch(body)
        tr.t(st(j))


@scenario("vm.completion_order_on_clear")
def completion_order_on_clear(tr):
    def waiter(i):
        try:
            yield from await_cancellation()
        finally:
            tr.t(f"c{i}")

    with with_main():
        vm = ViewModel()
        vm.view_model_scope.coroutine_context[Job].invoke_on_completion(lambda e: tr.t(f"scope complete {d(e)}"))
        for i in range(3):
            vm.view_model_scope.launch(waiter, i)
        vm.clear()
        tr.t("cleared")


@scenario("vm.store_put_replaces_and_clears")
def store_put_replaces_and_clears(tr):
    class V(ViewModel):
        def __init__(self, n):
            super().__init__()
            self.n = n

        def on_cleared(self):
            tr.t(f"onCleared {self.n}")

    s = ViewModelStore()
    a = V("a")
    s.put("k", a)
    tr.t(s.get("k") is a)
    s.put("k", V("b"))
    s.put("j", V("c"))
    tr.t("clear")
    s.clear()
    tr.t(len(s.keys()))


@scenario("vm.main_missing_falls_back")
def main_missing_falls_back(tr):
    vm = ViewModel()  # no main looper here, so the scope has no dispatcher
    s = vm.view_model_scope

    def body():
        yield from s.launch(lambda: tr.t(current_context()[CoroutineDispatcher] is Dispatchers.Default)).join()

    run_blocking(body)
    vm.clear()
    tr.t(s.is_active)


@scenario("vm.clear_loses_slow_cleanup_failure_of_nested_scope")
def clear_loses_slow_cleanup_failure_of_nested_scope(tr):
    def slow(message):
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 10)
            raise Boom(message)

    def inner():
        launch(slow, "nested cleanup")

    def nested():
        yield from coroutine_scope(inner)

    def direct():
        launch(slow, "direct cleanup")

    with with_main() as m:
        vm = ViewModel()
        s = vm.view_model_scope
        s.launch(nested, context=tr.ceh("NESTED"))
        s.launch(direct, context=tr.ceh("DIRECT"))
        tr.t("clear")
        vm.clear()
        tr.t("cleared")
        m.drain()
        tr.t("end")
