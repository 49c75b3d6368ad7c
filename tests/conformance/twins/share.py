"""share_in and state_in."""

from __future__ import annotations

from math import inf

from vmscope.flow import SharingStarted, flow, flow_of

from ..harness import *


def source(tr, m, count=inf):
    """A flow of 1, 2, 3..., one every 10, that says when it begins and ends."""

    def body(c):
        tr.t(f"upstream started at {m.now}")
        try:
            i = 1
            while i <= count:
                yield from c.emit(i)
                i += 1
                yield from delay(10)
        finally:
            tr.t(f"upstream stopped at {m.now}")

    return flow(body)


@scenario("share.state_in_lazily")
def state_in_lazily(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)
        f = source(tr, m).state_in(s, SharingStarted.LAZILY, 0)
        m.advance(20)
        tr.t(f.value)
        j = s.launch(lambda: f.collect(lambda x: tr.t(f"got {x} at {m.now}")))
        m.advance(15)
        j.cancel()
        m.advance(20)
        tr.t(f.value)
        s.cancel()


@scenario("share.while_subscribed_0")
def while_subscribed_0(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)
        f = source(tr, m).state_in(s, SharingStarted.WHILE_SUBSCRIBED(), 0)
        j = s.launch(lambda: f.collect(lambda x: tr.t(f"got {x} at {m.now}")))
        m.advance(15)
        j.cancel()
        m.advance(20)
        tr.t(f"value {f.value}")
        k = s.launch(lambda: f.collect(lambda x: tr.t(f"again {x} at {m.now}")))
        m.advance(15)
        k.cancel()
        m.advance(5)
        s.cancel()


@scenario("share.while_subscribed_timeout")
def while_subscribed_timeout(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)
        f = source(tr, m).state_in(s, SharingStarted.WHILE_SUBSCRIBED(50), 0)
        a = s.launch(f.collect)
        m.advance(15)
        a.cancel()
        m.advance(30)
        tr.t(f"value {f.value}")
        b = s.launch(f.collect)
        m.advance(10)
        b.cancel()
        m.advance(100)
        tr.t(f"value {f.value} at {m.now}")
        s.cancel()


@scenario("share.share_in_eager_no_replay_loses")
def share_in_eager_no_replay_loses(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)
        f = flow_of(1, 2, 3).share_in(s, SharingStarted.EAGERLY)
        m.run_current()
        j = s.launch(lambda: f.collect(lambda x: tr.t(f"got {x}")))
        m.advance(10)
        j.cancel()
        tr.t("none")
        s.cancel()


@scenario("share.share_in_lazily_first_gets_all")
def share_in_lazily_first_gets_all(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)
        f = source(tr, m, 4).share_in(s, SharingStarted.LAZILY)
        s.launch(lambda: f.collect(lambda x: tr.t(f"a {x} at {m.now}")))
        m.advance(15)
        s.launch(lambda: f.collect(lambda x: tr.t(f"b {x} at {m.now}")))
        m.advance(50)
        s.cancel()


@scenario("share.upstream_completion")
def upstream_completion(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)
        f = flow_of(1, 2).state_in(s, SharingStarted.EAGERLY, 0)
        m.run_current()
        j = s.launch(lambda: f.collect(lambda x: tr.t(f"got {x}")))
        m.advance(10)
        tr.t(f"collector active {show(j.is_active)}")
        s.cancel()


@scenario("share.suspending_state_in_failure")
def suspending_state_in_failure(tr):
    with with_main() as m:
        s = CoroutineScope(m.main + SupervisorJob() + tr.ceh())

        def fail(c):
            raise Boom

        def body():
            yield from tr.try_t("stateIn", flow(fail).state_in, s)

        s.launch(body)
        m.advance(10)
        tr.t(s.is_active)
        s.cancel()


@scenario("share.share_in_buffer_default")
def share_in_buffer_default(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)
        emitted = 0

        def body(c):
            nonlocal emitted
            for i in range(1, 101):
                yield from c.emit(i)
                emitted = i

        def stuck(x):
            yield from await_cancellation()

        f = flow(body).share_in(s, SharingStarted.LAZILY)
        s.launch(lambda: f.collect(stuck))
        m.advance(10)
        tr.t(f"emitted {emitted}")
        s.cancel()


@scenario("share.two_subscribers_one_upstream")
def two_subscribers_one_upstream(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)
        f = source(tr, m, 3).share_in(s, SharingStarted.WHILE_SUBSCRIBED())
        s.launch(lambda: f.collect(lambda x: tr.t(f"a {x}")))
        s.launch(lambda: f.collect(lambda x: tr.t(f"b {x}")))
        m.advance(100)
        s.cancel()
