"""CoroutineContext: the algebra, what is inherited, and what is set on the thread."""

from __future__ import annotations

from ..harness import *


class Tag(ContextElement):
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"Tag({self.name})"


class Num(ContextElement):
    def __init__(self, number):
        self.number = number

    def __repr__(self):
        return f"Num({self.number})"


@scenario("ctx.plus_get")
def plus_get(tr):
    c = Tag("a") + Num(1)
    tr.t(c[Tag])
    tr.t(c[Num])
    tr.t(c[CoroutineName])
    tr.t(EmptyCoroutineContext[Tag])


@scenario("ctx.plus_right_wins")
def plus_right_wins(tr):
    tr.t(Tag("a") + Num(1) + Tag("b"))
    tr.t(Tag("a") + Tag("b"))
    tr.t((Tag("a") + Tag("b"))[Tag])


@scenario("ctx.plus_empty")
def plus_empty(tr):
    c = Tag("a")
    tr.t(c + EmptyCoroutineContext is c)
    tr.t(EmptyCoroutineContext + c is c)


@scenario("ctx.fold_order")
def fold_order(tr):
    c = Dispatchers.Unconfined + Tag("a") + Num(1) + CoroutineName("n")
    tr.t("".join(f"{e};" for e in c))


@scenario("ctx.element_is_context")
def element_is_context(tr):
    a = Tag("a")
    tr.t(a[Tag] is a)
    tr.t(a[Num])
    tr.t(len(list(a)))


@scenario("ctx.name_inherited_and_overridden")
def name_inherited_and_overridden(tr):
    def line(who):
        tr.t(f"{who} {current_context()[CoroutineName].name}")

    def mine():
        line("own")
        launch(line, "grandchild")

    def main():
        yield from launch(line, "child").join()
        yield from launch(mine, context=CoroutineName("mine")).join()
        yield from with_context(CoroutineName("wc"), line, "withContext")
        line("root again")

    run_blocking(main, context=CoroutineName("root"))


@scenario("ctx.no_interceptor_gets_default")
def no_interceptor_gets_default(tr):
    def main():
        s = CoroutineScope(Job())
        tr.t(s.coroutine_context[CoroutineDispatcher])
        yield from s.launch(lambda: tr.t(current_context()[CoroutineDispatcher] is Dispatchers.Default)).join()

    run_blocking(main)


@scenario("ctx.two_dispatchers")
def two_dispatchers(tr):
    c = Dispatchers.Default + CoroutineName("n") + Dispatchers.Unconfined
    tr.t(c[CoroutineDispatcher])
    tr.t(len(list(c)))


@scenario("ctx.scope_receiver_vs_current")
def scope_receiver_vs_current(tr):
    async def main():
        outer_scope = current_scope()

        def body():
            tr.t(current_scope().coroutine_context[CoroutineName].name)
            tr.t(outer_scope.coroutine_context[CoroutineName].name)
            tr.t(current_context()[CoroutineName].name)
            outer_scope.launch(lambda: tr.t(f"launched on outer: {current_context()[CoroutineName].name}"))

        await with_context(CoroutineName("inner"), body)

    run_blocking(main, context=CoroutineName("outer"))


@scenario("ctx.launch_on_outer_scope_not_awaited_by_inner")
def launch_on_outer_scope_not_awaited_by_inner(tr):
    def child():
        yield from delay(ms(20))
        tr.t("outer child")

    def main():
        outer = current_scope()

        def inner():
            outer.launch(child)
            tr.t("inner body")

        yield from coroutine_scope(inner)
        tr.t("inner scope returned first")

    run_blocking(main)


@scenario("ctx.new_coroutine_context")
def new_coroutine_context(tr):
    def context_of(scope, context):
        job = scope.launch(lambda: None, context=context, start=CoroutineStart.LAZY)
        return job.coroutine_context

    s = CoroutineScope(Job() + Tag("t"))
    tr.t(context_of(s, EmptyCoroutineContext)[CoroutineDispatcher] is Dispatchers.Default)
    tr.t(context_of(s, Dispatchers.Unconfined)[CoroutineDispatcher])
    tr.t(context_of(s, Tag("u"))[Tag])
    s.cancel()


@scenario("ctx.scope_plus")
def scope_plus(tr):
    s = CoroutineScope(Job() + Tag("t"))
    s2 = s + Tag("u")
    tr.t(s2.coroutine_context[Tag])
    tr.t(s2.coroutine_context[Job] is s.coroutine_context[Job])
    tr.t(s.coroutine_context[Tag])


@scenario("ctx.coroutine_name_to_string")
def coroutine_name_to_string(tr):
    tr.t(CoroutineName("abc"))
    tr.t(CoroutineName("abc").name)
    tr.t(CoroutineName("abc").key is CoroutineName)


@scenario("ctx.minus_job_in_launch")
def minus_job_in_launch(tr):
    def main():
        s = CoroutineScope(current_context().minus_key(Job))
        tr.t(s.coroutine_context[Job] is not current_context()[Job])
        tr.t(s.coroutine_context[Job] is not None)

    run_blocking(main)


@scenario("ctx.thread_context_element")
def thread_context_element(tr):
    tl = threading.local()
    tl.value = "outside"

    def inside():
        tr.t(f"a {tl.value}")
        yield from yield_()
        tr.t(f"b {tl.value}")
        tl.value = "changed"
        tr.t(f"c {tl.value}")
        yield from yield_()
        tr.t(f"d {tl.value}")

    def other():
        tr.t(f"other {tl.value}")
        yield from yield_()
        tr.t(f"other {tl.value}")

    def main():
        tr.t(f"rb {tl.value}")
        launch(inside, context=as_context_element(tl, "inside"))
        launch(other)

    run_blocking(main)
    tr.t(f"end {tl.value}")


@scenario("ctx.thread_context_element_withcontext")
def thread_context_element_withcontext(tr):
    tl = threading.local()
    tl.value = "outer"

    def line():
        tr.t(tl.value)

    async def body():
        line()
        await with_context(Dispatchers.Default, line)
        line()

    async def main():
        await with_context(as_context_element(tl, "wc"), body)
        line()

    run_blocking(main)


@scenario("ctx.unconfined_tostring")
def unconfined_tostring(tr):
    tr.t(Dispatchers.Default)
    tr.t(Dispatchers.IO)
    tr.t(Dispatchers.Unconfined)
