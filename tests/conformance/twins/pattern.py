"""What applications do with a ViewModel's scope."""

from __future__ import annotations

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
