"""The interpreter of the random flows: a source, operators around it, several who collect, on a virtual clock.

A program is `{"on": "main" | "imm", "flow": [operator, flow..., number...], "collectors": [...]}`. A collector is
`[begins at, seconds a value, is cancelled at or 0, raises at its n-th value or 0, "all" | "latest"]`. A source is
`["src", name, [[seconds, value], ...]]`; its values are numbers, "yield", "throw", and "ce", a cancellation of its own.
The reference ran the same programs through the same interpreter in Kotlin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmscope.flow import SharingStarted, as_flow, channel_flow, flow, merge
from vmscope.sync import BufferOverflow

from .harness import *

NUMBERED = {
    "take": lambda f, n: f.take(n),
    "drop": lambda f, n: f.drop(n),
    "takeWhile": lambda f, n: f.take_while(lambda v: v < n),
    "buffer": lambda f, n: f.buffer(n),
    "bufDO": lambda f, n: f.buffer(n, BufferOverflow.DROP_OLDEST),
    "bufDL": lambda f, n: f.buffer(n, BufferOverflow.DROP_LATEST),
    "onEach": lambda f, n: f.on_each(lambda _: delay(n)),
    "mapS": lambda f, n: f.map(after(n, lambda v: v + 1)),
    "mapLatest": lambda f, n: f.map_latest(after(n, lambda v: v * 2)),
    "trLatest": lambda f, n: f.transform_latest(twice(n)),
    "debounce": lambda f, n: f.debounce(n),
    "sample": lambda f, n: f.sample(n),
    "retry": lambda f, n: f.retry(n, lambda e: isinstance(e, Boom)),
    "chunked": lambda f, n: f.chunked(n).map(sum),
}
PLAIN = {
    "map": lambda f: f.map(lambda v: v + 1),
    "filter": lambda f: f.filter(lambda v: v % 2 == 0),
    "conflate": lambda f: f.conflate(),
    "onStart": lambda f: f.on_start(lambda c: c.emit(-2)),
    "onEmpty": lambda f: f.on_empty(lambda c: c.emit(-4)),
    "distinct": lambda f: f.distinct_until_changed(),
    "scan": lambda f: f.scan(0, lambda a, v: remainder(a + v)),
    "retryD": lambda f: f.retry_when(again),
    "chFlow": lambda f: channel_flow(beside(f)),
}
PAIRED = {
    "fmConcat": lambda f, inner: f.flat_map_concat(inner),
    "fmLatest": lambda f, inner: f.flat_map_latest(inner),
    "fmMerge": lambda f, inner, n: f.flat_map_merge(inner, n),
}
BOTH = {
    "merge": merge,
    "combine": lambda f, g: f.combine_with(g, lambda a, b: a * 100 + b),
    "zip": lambda f, g: f.zip_with(g, lambda a, b: a * 100 + b),
}


def remainder(number: int) -> int:
    """Kotlin's % 1000: with the sign of the number."""
    return number % 1000 if number >= 0 else -(-number % 1000)


def after(seconds: float, function: Callable[[int], int]) -> Any:
    def wait(value: int) -> Any:
        yield from delay(seconds)
        return function(value)

    return wait


def twice(seconds: float) -> Any:
    def block(collector: Any, value: int) -> Any:
        yield from collector.emit(value)
        yield from delay(seconds)
        yield from collector.emit(value + 1000)

    return block


def again(failure: BaseException, attempt: int) -> Any:
    yield from delay(5)
    return isinstance(failure, Boom) and attempt < 2


def beside(source: Any) -> Any:
    def block(producer: Any) -> Any:
        def late() -> Any:
            yield from delay(3)
            yield from producer.send(77)

        producer.launch(late)
        yield from source.collect(producer.send)

    return block


def short(failure: BaseException | None) -> str:
    return "CE" if isinstance(failure, CE) else d(failure)


class FlowProgram:
    """One run of one program."""

    def __init__(self, program: dict[str, Any], tr: Tr) -> None:
        self.program, self.tr, self.main = program, tr, install_main()
        on = self.main.immediate if program["on"] == "imm" else self.main.main
        self.scope = CoroutineScope(on + SupervisorJob() + tr.ceh())
        self.flow = self.build(program["flow"])

    def say(self, text: str) -> None:
        self.tr.t(f"{self.main.now} {text}")

    def build(self, spec: list[Any]) -> Any:
        kind = spec[0]
        if kind == "src":
            return flow(self.source, *spec[1:])
        if kind == "of":
            return as_flow(spec[1])
        above = self.build(spec[1])
        if kind in PLAIN:
            return PLAIN[kind](above)
        if kind in NUMBERED:
            return NUMBERED[kind](above, spec[2])
        if kind in PAIRED:
            return PAIRED[kind](above, lambda v: self.build(spec[2]).map(lambda x: v * 10 + x), *spec[3:])
        if kind in BOTH:
            return BOTH[kind](above, self.build(spec[2]))
        return getattr(self, kind)(above, *spec[2:])

    def source(self, collector: Any, name: str, items: list[Any]) -> Any:
        self.say(f"{name} begins")
        try:
            for seconds, value in items:
                if seconds > 0:
                    yield from delay(seconds)
                if value == "throw":
                    raise Boom(name)
                if value == "ce":
                    raise CE(f"own {name}")
                if value == "yield":
                    yield from yield_()
                    continue
                yield from collector.emit(value)
                self.say(f"{name} emitted {value}")
        finally:
            self.say(f"{name} ends")

    def flowImm(self, above: Any) -> Any:
        return above.flow_on(self.main.immediate)

    def catch(self, above: Any) -> Any:
        def block(collector: Any, failure: BaseException) -> Any:
            self.say(f"caught {short(failure)}")
            yield from collector.emit(-1)

        return above.catch(block)

    def onComp(self, above: Any) -> Any:
        def block(collector: Any, cause: BaseException | None) -> Any:
            self.say(f"completion {short(cause)}")
            if cause is None:
                yield from collector.emit(-3)

        return above.on_completion(block)

    def started(self, policy: str, timeout: float) -> SharingStarted:
        given = {"E": SharingStarted.EAGERLY, "L": SharingStarted.LAZILY}.get(policy)
        return given or SharingStarted.WHILE_SUBSCRIBED(timeout)

    def share(self, above: Any, policy: str, replay: int, timeout: float) -> Any:
        return above.share_in(self.scope, self.started(policy, timeout), replay).take(4)

    def state(self, above: Any, policy: str, _: int, timeout: float) -> Any:
        return above.state_in(self.scope, self.started(policy, timeout), -9).take(4)

    def collect(self, name: str, seconds: float, raises: int, latest: bool) -> Any:
        seen = 0

        def superseded(value: int) -> Any:
            self.say(f"{name} pre {value}")
            yield from delay(seconds)
            self.say(f"{name} got {value}")

        def each(value: int) -> Any:
            nonlocal seen
            self.say(f"{name} got {value}")
            seen += 1
            if seen == raises:
                raise Boom("down")
            yield from delay(seconds)

        try:
            if latest:
                yield from self.flow.collect_latest(superseded)
            else:
                yield from self.flow.collect(each)
            self.say(f"{name} done")
        except Boom as failure:
            self.say(f"{name} failed {short(failure)}")
        except CE as cancellation:
            self.say(f"{name} failed {short(cancellation)}")
            raise

    def execute(self) -> None:
        """Run it for 300 seconds, then cancel the scope."""
        jobs: dict[str, Job] = {}

        def begin(name: str, collector: list[Any]) -> None:
            _, seconds, _, raises, how = collector
            jobs[name] = self.scope.launch(self.collect, name, seconds, raises, how == "latest")

        def cancel(name: str) -> None:
            self.say(f"cancel {name}")
            if name in jobs:
                jobs[name].cancel()

        for index, collector in enumerate(self.program["collectors"]):
            name = f"c{index}"
            self.main.post_delayed(collector[0], lambda name=name, collector=collector: begin(name, collector))
            if collector[2]:
                self.main.post_delayed(collector[2], lambda name=name: cancel(name))
        self.main.advance(300)
        self.say("cancel scope")
        self.scope.cancel()
        self.main.advance(100)


def execute(program: dict[str, Any], tr: Tr) -> None:
    """Run `program` and record it in `tr`."""
    FlowProgram(program, tr).execute()
