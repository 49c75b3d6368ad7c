"""The interpreter of the random programs: a small language of operations, run on this library's public face.

A program runs on one main looper under a virtual clock, in the scope of its dispatcher, its root (a SupervisorJob or a
Job) and a handler. `events` is a list of `[time, [operations]]`, each posted at the start as one plain message. A line is
`<clock> <who>: <text>`. The reference ran the same programs through the same interpreter in Kotlin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import vmscope

from .bridges import b_async, b_await, b_launch, b_with_timeout, b_with_timeout_or_none
from .harness import CE, Boom, Tr, VMain, chain, d, install_main, st
from .rules import show

try:
    from vmscope.flow import MutableSharedFlow, MutableStateFlow
    from vmscope.sync import BufferOverflow, Channel, Mutex, select
except ImportError:  # those rooms are built after the core; a program that needs them says so when it gets there
    MutableStateFlow = None

FLOW_OPS = frozenset(
    "trySend tryRecv close cancelChan send recv recvC forEach set collectState tryEmit emit collectShared "
    "tryLock isLocked withLock select".split()
)
Op = list[Any]


def needs_flows(program: Any) -> bool:
    """Whether an operation of the program uses a flow, a channel, a mutex or select."""
    if isinstance(program, dict):
        return any(map(needs_flows, program.values()))
    if isinstance(program, list):
        named = bool(program) and isinstance(program[0], str)
        return (named and program[0] in FLOW_OPS) or any(map(needs_flows, program))
    return False


class Prog:
    """One run of one program."""

    def __init__(self, program: dict[str, Any], tr: Tr, main: VMain) -> None:
        self.program, self.tr, self.main = program, tr, main
        self.jobs: dict[str, Any] = {}
        self.deferreds = {name: vmscope.CompletableDeferred() for name in program["deferreds"]}
        if MutableStateFlow is not None:
            self.channels = {name: Channel(n, BufferOverflow[how]) for name, (n, how) in program["channels"].items()}
            self.states = {name: MutableStateFlow(0) for name in program["states"]}
            self.shareds = {
                name: MutableSharedFlow(replay, extra, BufferOverflow[how])
                for name, (replay, extra, how) in program["shareds"].items()
            }
            self.mutexes = {name: Mutex() for name in program["mutexes"]}
        root = vmscope.SupervisorJob() if program["root"] == "sup" else vmscope.Job()
        handler = vmscope.CoroutineExceptionHandler(lambda _context, e: self.say("CEH", chain(e)))
        self.scope = vmscope.CoroutineScope(self.dispatcher(program["dispatcher"]) + root + handler)

    def dispatcher(self, name: str) -> Any:
        return {"main": self.main.main, "imm": self.main.immediate, "unc": vmscope.Dispatchers.Unconfined}[name]

    def say(self, who: str, what: Any) -> None:
        self.tr.t(f"{self.main.now} {who}: {show(what)}")

    def context(self, options: dict[str, Any], name: str) -> Any:
        context: Any = vmscope.CoroutineName(name)
        if "on" in options:
            context = context + self.dispatcher(options["on"])
        jobs = {"new": vmscope.Job, "sup": vmscope.SupervisorJob, "nc": lambda: vmscope.NonCancellable}
        if "job" in options:
            context = context + jobs[options["job"]]()
        if options.get("ceh"):
            context = context + vmscope.CoroutineExceptionHandler(lambda _context, e: self.say(f"CEH-{name}", chain(e)))
        return context

    def spawn(self, op: Op, scope: Any) -> None:
        kind, name, options, body = op[:4]
        start = vmscope.CoroutineStart[options.get("start", "DEFAULT")]
        context = self.context(options, name)

        def launched() -> Iterator[Any]:
            yield from self.run(body, vmscope.current_scope(), name)

        def asynchronous() -> Iterator[Any]:
            yield from self.run(body, vmscope.current_scope(), name)
            return op[4]

        if kind == "launch":
            self.jobs[name] = b_launch(scope, context, launched, start=start)
        else:
            self.jobs[name] = b_async(scope, context, asynchronous, start=start)

    def job(self, name: str, who: str) -> Any:
        if name not in self.jobs:
            self.say(who, f"no job {name}")
        return self.jobs.get(name)

    def result(self, result: Any) -> str:
        return f"ok {show(result.get_or_none())}" if result.is_success else "closed" if result.is_closed else "failed"

    def plain(self, op: Op, scope: Any, who: str) -> bool:
        """Do what plain code may do, too. False: it is not such an operation."""
        say = self.say
        match op:
            case ["t", text]:
                say(who, text)
            case ["launch" | "async" as kind, name, *_]:
                say(who, f"{kind} {name}")
                self.spawn(op, scope)
            case ["cancel", name]:
                if job := self.job(name, who):
                    job.cancel(CE(f"by {who}"))
                    say(who, f"cancelled {name}")
            case ["start", name]:
                if job := self.job(name, who):
                    say(who, f"start {name} -> {show(job.start())}")
            case ["state", name]:
                if job := self.job(name, who):
                    say(who, f"state {name} {st(job)}")
            case ["onc", name]:
                if job := self.job(name, who):
                    job.invoke_on_completion(lambda e: say(who, f"completion of {name}: {d(e)}"))
            case ["cancelScope"]:
                say(who, "cancel scope")
                self.scope.cancel(CE(f"scope by {who}"))
            case ["complete", name, value]:
                say(who, f"complete {name} -> {show(self.deferreds[name].complete(value))}")
            case ["fail", name, message]:
                say(who, f"fail {name} -> {show(self.deferreds[name].complete_exceptionally(Boom(message)))}")
            case ["trySend", name, value]:
                say(who, f"trySend {name} -> {self.result(self.channels[name].try_send(value))}")
            case ["tryRecv", name]:
                say(who, f"tryRecv {name} -> {self.result(self.channels[name].try_receive())}")
            case ["close", name]:
                say(who, f"close {name} -> {show(self.channels[name].close())}")
            case ["cancelChan", name]:
                say(who, f"cancelChan {name}")
                self.channels[name].cancel()
            case ["set", name, value]:
                self.states[name].value = value
                say(who, f"set {name}")
            case ["tryEmit", name, value]:
                say(who, f"tryEmit {name} -> {show(self.shareds[name].try_emit(value))}")
            case ["tryLock", name]:
                say(who, f"tryLock {name} -> {show(self.mutexes[name].try_lock())}")
            case ["isLocked", name]:
                say(who, f"isLocked {name} -> {show(self.mutexes[name].is_locked)}")
            case _:
                return False
        return True

    def run(self, ops: list[Op], scope: Any, who: str) -> Iterator[Any]:
        for op in ops:
            if not self.plain(op, scope, who):
                yield from self.step(op, scope, who)

    def step(self, op: Op, scope: Any, who: str) -> Iterator[Any]:
        """Do what only a coroutine may do."""
        say = self.say

        def block(ops: list[Op]) -> Iterator[Any]:
            yield from self.run(ops, vmscope.current_scope(), who)
            return "v"

        match op:
            case ["yield"]:
                yield from vmscope.yield_()
                say(who, "yielded")
            case ["hang"]:
                yield from vmscope.await_cancellation()
            case ["delay", seconds]:
                yield from vmscope.delay(seconds)
                say(who, f"delayed {seconds}")
            case ["await", name]:
                job = self.job(name, who)
                if isinstance(job, vmscope.Deferred):
                    value = yield from b_await(job)
                    say(who, f"await {name} -> {show(value)}")
                elif job:
                    yield from job.join()
                    say(who, f"joined {name}")
            case ["join", name]:
                if job := self.job(name, who):
                    yield from job.join()
                    say(who, f"joined {name} {st(job)}")
            case ["cancelAndJoin", name]:
                if job := self.job(name, who):
                    job.cancel(CE(f"by {who}"))
                    yield from job.join()
                    say(who, f"cancelled and joined {name}")
            case ["cancelSelf"]:
                vmscope.current_job().cancel(CE(f"self {who}"))
                say(who, "cancelled self")
            case ["cancelHere"]:
                scope.cancel(CE(f"here {who}"))
                say(who, "cancelled innermost scope")
            case ["cancelChildren"]:
                vmscope.current_job().cancel_children(CE(f"children of {who}"))
                say(who, "cancelled children")
            case ["isActive"]:
                say(who, f"isActive {show(vmscope.current_job().is_active)}")
            case ["ensureActive"]:
                vmscope.current_job().ensure_active()
                say(who, "is active")
            case ["throw", message]:
                say(who, f"throwing {message}")
                raise Boom(message)
            case ["throwCE", message]:
                say(who, f"throwing CE {message}")
                raise CE(message)
            case ["try", body, handler, final, rethrow]:
                try:
                    yield from self.run(body, scope, who)
                except GeneratorExit:
                    final = None  # the interpreter is thrown away at the end of the run
                    raise
                except BaseException as e:
                    if handler is None:
                        raise
                    say(who, f"caught {chain(e)}")
                    yield from self.run(handler, scope, who)
                    if rethrow:
                        raise
                finally:
                    if final is not None:
                        say(who, "finally")
                        yield from self.run(final, scope, who)
            case ["scope", body]:
                yield from vmscope.coroutine_scope(block, body)
                say(who, "scope done")
            case ["sup", body]:
                yield from vmscope.supervisor_scope(block, body)
                say(who, "sup done")
            case ["wc", name, body]:
                value = yield from vmscope.with_context(self.dispatcher(name), block, body)
                say(who, f"wc {name} -> {value}")
            case ["nc", body]:
                value = yield from vmscope.with_context(vmscope.NonCancellable, block, body)
                say(who, f"nc -> {value}")
            case ["timeout", seconds, body]:
                value = yield from b_with_timeout(seconds, block, body)
                say(who, f"timeout -> {value}")
            case ["timeoutOrNull", seconds, body]:
                value = yield from b_with_timeout_or_none(seconds, block, body)
                say(who, f"timeoutOrNull -> {show(value)}")
            case ["awaitD", name]:
                value = yield from b_await(self.deferreds[name])
                say(who, f"awaitD {name} -> {show(value)}")
            case ["send", name, value]:
                yield from self.channels[name].send(value)
                say(who, f"sent {name} {value}")
            case ["recv", name]:
                value = yield from self.channels[name].receive()
                say(who, f"recv {name} -> {value}")
            case ["recvC", name]:
                result = yield from self.channels[name].receive_catching()
                say(who, f"recvC {name} -> {self.result(result)}")
            case ["forEach", name, body]:
                while True:
                    result = yield from self.channels[name].receive_catching()
                    if not result.is_success:
                        break
                    say(who, f"each {name} {result.get_or_none()}")
                    yield from self.run(body, scope, who)
                say(who, f"each {name} end")
            case ["withLock", name, body]:
                yield from self.mutexes[name].lock()
                try:
                    say(who, f"locked {name}")
                    yield from self.run(body, scope, who)
                finally:
                    self.mutexes[name].unlock()
                say(who, f"unlocked {name}")
            case ["emit", name, value]:
                yield from self.shareds[name].emit(value)
                say(who, f"emitted {name} {value}")
            case ["collectState" | "collectShared" as kind, name, count, body]:
                flow = (self.states if kind == "collectState" else self.shareds)[name]

                def each(value: Any) -> Iterator[Any]:
                    say(who, f"{name} = {value}")
                    yield from self.run(body, scope, who)

                yield from flow.take(count).collect(each)
                say(who, f"collected {name}")
            case ["select", clauses]:
                value = yield from select(lambda builder: self.clauses(builder, clauses))
                say(who, f"select -> {value}")
            case _:
                raise AssertionError(f"unknown operation {op[0]}")

    def clauses(self, builder: Any, clauses: list[Op]) -> None:
        raise NotImplementedError("select: its clauses come with the room of the channels")

    def execute(self) -> None:
        """Run it to its end, twice: left alone, and with its scope cancelled."""
        for time, ops in self.program["events"]:

            def event(ops: list[Op] = ops) -> None:
                for op in ops:
                    assert self.plain(op, self.scope, "plain")

            self.main.post_delayed(time, event)
        self.main.drain()
        self.states_at("quiet")
        self.scope.cancel(CE("end"))
        self.main.drain()
        self.states_at("cancelled")

    def states_at(self, word: str) -> None:
        self.tr.t(f"-- {word} at {self.main.now}")
        for name, job in self.jobs.items():
            self.tr.t(f"{name} {st(job)}")
        self.tr.t(f"scope {st(self.scope.coroutine_context[vmscope.Job])}")


def execute(program: dict[str, Any], tr: Tr) -> None:
    """Run `program` and record it in `tr`."""
    Prog(program, tr, install_main()).execute()
