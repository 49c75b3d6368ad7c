"""What applications do with a ViewModel's scope."""

from __future__ import annotations

from vmscope.flow import MutableStateFlow, SharingStarted, callback_flow, flow
from vmscope.sync import Channel

from ..harness import *


@scenario("pattern.parallel_requests")
def parallel_requests(tr):
    with with_main() as m:
        vm = ViewModel()

        async def first():
            try:
                await delay(50)
                return "a"
            finally:
                tr.t(f"a finally at {m.now}")

        async def second():
            await delay(10)
            raise OSError("b")

        async def both():
            a = async_(first)
            b = async_(second)
            tr.t(await a.await_() + await b.await_())

        async def load():
            try:
                await coroutine_scope(both)
            except OSError as e:
                tr.t(f"error {e} at {m.now}")
            tr.t(f"still active {show(is_active())}")

        vm.view_model_scope.launch(load)
        m.drain()
        vm.clear()


@scenario("pattern.supervisor_partial_results")
def supervisor_partial_results(tr):
    with with_main() as m:
        vm = ViewModel()

        def part(i):
            yield from delay(10 * (3 - i))
            if i == 1:
                raise Boom(f"{i}")
            return i

        def parts():
            ds = [async_(part, i) for i in range(3)]
            results = []
            for deferred in ds:
                try:
                    results.append(f"ok {(yield from deferred.await_())}")
                except Boom as e:
                    results.append(f"fail {e}")
            tr.t(results)

        def load():
            yield from supervisor_scope(parts)

        vm.view_model_scope.launch(load)
        m.drain()
        vm.clear()


@scenario("pattern.ticker")
def ticker(tr):
    with with_main() as m:
        vm = ViewModel()

        async def tick():
            i = 0
            while True:
                tr.t(f"tick {i} at {m.now}")
                i += 1
                await delay(10)

        vm.view_model_scope.launch(tick)
        m.advance(25)
        vm.clear()
        m.drain()
        tr.t(f"clock {m.now}")


@scenario("pattern.withtimeout_in_viewmodel")
def withtimeout_in_viewmodel(tr):
    with with_main() as m:
        vm = ViewModel()

        def call():
            yield from delay(100)
            return "net"

        def load():
            v = (yield from with_timeout_or_none(20, call)) or "cache"
            tr.t(f"{v} at {m.now}")

        vm.view_model_scope.launch(load)
        m.drain()
        vm.clear()


@scenario("pattern.handler_in_scope_context")
def handler_in_scope_context(tr):
    with with_main() as m:
        vm = ViewModel()

        async def nested():
            await delay(10)
            raise Boom("nested")

        async def parent():
            launch(nested)
            try:
                await await_cancellation()
            finally:
                tr.t("parent cancelled")

        vm.view_model_scope.launch(parent, context=tr.ceh())
        m.drain()
        tr.t(vm.view_model_scope.is_active)
        vm.clear()


@scenario("pattern.launch_twice_independent")
def launch_twice_independent(tr):
    with with_main() as m:
        vm = ViewModel()

        def second():
            yield from delay(5)
            tr.t("second done")

        a = vm.view_model_scope.launch(await_cancellation)
        vm.view_model_scope.launch(second)
        a.cancel()
        m.drain()
        vm.clear()


@scenario("pattern.loading_not_seen_when_started_in_coroutine")
def loading_not_seen_when_started_in_coroutine(tr):
    with with_main() as m:
        ui = MutableStateFlow("Idle")
        s = CoroutineScope(m.immediate)
        s.launch(lambda: ui.collect(lambda x: tr.t(f"ui {x}")))

        def load():
            ui.value = "Loading"
            ui.value = "Data"

        s.launch(load)
        tr.t("plain")
        ui.value = "A"
        ui.value = "B"
        s.cancel()


@scenario("pattern.retry_with_backoff")
def retry_with_backoff(tr):
    with with_main() as m:
        vm = ViewModel()
        n = 0

        def attempt(c):
            nonlocal n
            n += 1
            tr.t(f"attempt {n} at {m.now}")
            raise OSError("net")

        def again(e, k):
            yield from delay(10 << k)
            return True

        retried = flow(attempt).retry_when(again).on_completion(lambda e: tr.t(f"completion {d(e)}"))
        vm.view_model_scope.launch(retried.collect)
        m.advance(35)
        tr.t(f"clear at {m.now}")
        vm.clear()
        m.drain()
        tr.t(f"clock {m.now}")


@scenario("pattern.runcatching_swallows_clear")
def runcatching_swallows_clear(tr):
    with with_main():
        vm = ViewModel()
        ui = MutableStateFlow("x")

        def load():
            try:
                yield from delay(100)
                value = "v"
            except BaseException as e:  # noqa: BLE001  (Kotlin's runCatching)
                value = f"error {rules.name_of(e)}"
            ui.value = value
            tr.t(f"after, active {show(is_active())}")

        j = vm.view_model_scope.launch(load)
        vm.clear()
        tr.t(ui.value)
        tr.t(st(j))


@scenario("pattern.state_in_config_change")
def state_in_config_change(tr):
    with with_main() as m:
        vm = ViewModel()

        def database(c):
            tr.t(f"db open at {m.now}")
            try:
                i = 0
                while True:
                    yield from c.emit(i)
                    i += 1
                    yield from delay(1000)
            finally:
                tr.t(f"db close at {m.now}")

        def sees(v):
            tr.t(f"new ui sees {v}")
            return True

        f = flow(database).state_in(vm.view_model_scope, SharingStarted.WHILE_SUBSCRIBED(5000), -1)
        a = CoroutineScope(m.immediate).launch(f.collect)
        m.advance(2500)
        a.cancel()
        m.advance(1000)
        b = CoroutineScope(m.immediate).launch(lambda: f.first(sees))
        m.advance(500)
        tr.t(b.is_completed)
        m.advance(10_000)
        tr.t(f"value {f.value}")
        vm.clear()


@scenario("pattern.collect_in_scope_cancelled_by_clear")
def collect_in_scope_cancelled_by_clear(tr):
    with with_main():
        vm = ViewModel()
        f = MutableStateFlow(0)

        def collect():
            yield from f.on_completion(lambda e: tr.t(f"completion {d(e)}")).collect(lambda x: tr.t(f"got {x}"))

        vm.view_model_scope.launch(collect)
        f.value = 1
        vm.clear()
        f.value = 2
        tr.t("end")


@scenario("pattern.callbackflow_listener")
def callbackflow_listener(tr):
    with with_main() as m:
        listener = None

        def block(p):
            nonlocal listener

            def unregister():
                nonlocal listener
                listener = None
                tr.t("unregistered")

            listener = p.try_send
            tr.t("registered")
            yield from p.await_close(unregister)

        f = callback_flow(block)
        vm = ViewModel()
        vm.view_model_scope.launch(lambda: f.collect(lambda x: tr.t(f"got {x}")))
        m.drain()
        listener(1)
        listener(2)
        m.drain()
        vm.clear()
        m.drain()
        tr.t(listener is None)


@scenario("pattern.actor_like_channel")
def actor_like_channel(tr):
    with with_main() as m:
        vm = ViewModel()
        intents = Channel(Channel.UNLIMITED)
        state = MutableStateFlow(0)

        def serve():
            elements = intents.iterator()
            while (yield from elements.has_next()):
                change = 1 if elements.next() == "+" else -1
                state.update(lambda n, change=change: n + change)
                yield from delay(1)

        vm.view_model_scope.launch(serve)
        for intent in ("+", "+", "-", "+"):
            intents.try_send(intent)
        m.drain()
        tr.t(state.value)
        vm.clear()
        tr.t(intents.try_send("+").is_success)
