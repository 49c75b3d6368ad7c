"""The interpreter of the random programs: a small language of operations, run on this library's public face.

A program runs on one main looper under a virtual clock, in the scope of its dispatcher, its root (a SupervisorJob or
a Job) and a handler. `events` is a list of `[time, [operations]]`, each posted at the start as one plain message. A
line is `<clock> <who>: <text>`. The reference ran the same programs through the same interpreter in Kotlin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import vmscope
from vmscope.sync import BufferOverflow, Channel, Mutex, select, with_lock

from .bridges import b_async, b_await, b_await_all, b_launch, b_with_timeout, b_with_timeout_or_none
from .harness import CE, Boom, Tr, VMain, chain, d, install_main, sn, st
from .rules import show

try:
    from vmscope.flow import MutableSharedFlow, MutableStateFlow
except ImportError:  # that room is built after this; a program that needs it says so when it gets there
    MutableStateFlow = None

FLOW_OPS = frozenset("set collectState tryEmit emit collectShared".split())
Op = list[Any]


def needs_flows(program: Any) -> bool:
    """Whether an operation of the program uses a flow."""
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
        self.made: set[str] = set()  # those of the jobs that no coroutine is behind
        self.handles: dict[str, Any] = {}
        self.continuations: dict[str, Any] = {}
        self.deferreds = {name: vmscope.CompletableDeferred() for name in program.get("deferreds", ())}
        self.channels = {
            name: Channel(n, BufferOverflow[how]) for name, (n, how) in program.get("channels", {}).items()
        }
        self.mutexes = {name: Mutex() for name in program.get("mutexes", ())}
        if MutableStateFlow is not None:
            self.states = {name: MutableStateFlow(0) for name in program.get("states", ())}
            self.shareds = {
                name: MutableSharedFlow(replay, extra, BufferOverflow[how])
                for name, (replay, extra, how) in program.get("shareds", {}).items()
            }
        root = vmscope.SupervisorJob() if program["root"] == "sup" else vmscope.Job()
        context = self.dispatcher(program["dispatcher"]) + root
        if program.get("handler", True):
            context = context + vmscope.CoroutineExceptionHandler(lambda _context, e: self.say("CEH", chain(e)))
        self.scope = vmscope.CoroutineScope(context)

    def dispatcher(self, name: str) -> Any:
        return {"main": self.main.main, "imm": self.main.immediate, "unc": vmscope.Dispatchers.Unconfined}[name]

    def say(self, who: str, what: Any) -> None:
        self.tr.t(f"{self.main.now} {who}: {show(what)}")

    def context(self, options: dict[str, Any], name: str) -> Any:
        context: Any = vmscope.CoroutineName(name)
        if "on" in options:
            context = context + self.dispatcher(options["on"])
        jobs = {"new": vmscope.Job, "sup": vmscope.SupervisorJob, "nc": lambda: vmscope.NonCancellable}
        parent = options.get("job", "")
        if parent in jobs:
            context = context + jobs[parent]()
        elif parent.removeprefix("of ") in self.jobs:
            context = context + self.jobs[parent.removeprefix("of ")]
        if how := options.get("ceh"):

            def handler(_context: Any, e: BaseException) -> None:
                self.say(f"CEH-{name}", chain(e))
                if how == "throw":
                    raise Boom(f"handler of {name}")

            context = context + vmscope.CoroutineExceptionHandler(handler)
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

    def end(self, job: Any, who: str, what: str, ending: Any) -> None:
        completable = isinstance(job, vmscope.CompletableJob) and not isinstance(job, vmscope.Deferred)
        self.say(who, f"{what} -> {show(ending())}" if completable else "no completable")

    def continuation(self, name: str, who: str, what: str) -> Any:
        """Take the continuation to resume it: one that cannot be cancelled only once."""
        found = self.continuations.get(name)
        self.say(who, "no cont" if found is None else f"{what} {name}")
        if found is not None and not found[0]:
            del self.continuations[name]
        return found

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
            case ["launchRoot", name, *rest]:
                say(who, f"launchRoot {name}")
                self.spawn(["launch", name, *rest], self.scope)
            case ["job", name, kind, parent]:
                make = {"sup": vmscope.SupervisorJob, "cd": lambda above: vmscope.CompletableDeferred(parent=above)}
                self.jobs[name] = make.get(kind, vmscope.Job)(self.jobs.get(parent))
                self.made.add(name)
                say(who, f"made {name} {st(self.jobs[name])}")
            case ["completeJob", name]:
                if job := self.job(name, who):
                    self.end(job, who, f"completeJob {name}", lambda: job.complete())
            case ["failJob", name, message]:
                if job := self.job(name, who):
                    self.end(job, who, f"failJob {name}", lambda: job.complete_exceptionally(Boom(message)))
            case ["oncC", name]:
                if job := self.job(name, who):
                    job.invoke_on_completion(lambda e: say(who, f"cancelling of {name}: {d(e)} {st(job)}"), True)
            case ["oncD", name, handle, on_cancelling]:
                if job := self.job(name, who):
                    self.handles[handle] = job.invoke_on_completion(
                        lambda e: say(who, f"{handle} of {name}: {d(e)}"), on_cancelling
                    )
            case ["dispose", handle]:
                if handle in self.handles:
                    self.handles[handle].dispose()
                    say(who, f"disposed {handle}")
            case ["onThrow", name, message, on_cancelling]:
                if (job := self.job(name, who)) and name not in self.made:

                    def failing(e: BaseException | None) -> None:
                        say(who, f"throwing handler of {name}: {d(e)}")
                        raise Boom(message)

                    job.invoke_on_completion(failing, on_cancelling)
            case ["cancelCause", name, message]:
                if job := self.job(name, who):
                    job.cancel(CE(f"by {who}", Boom(message)))
                    say(who, f"cancelled {name}")
            case ["gce", name]:
                if job := self.job(name, who):
                    cause = chain(job.get_cancellation_exception()) if job.is_cancelled else "none"
                    say(who, f"gce {name} {cause}")
            case ["info", name]:
                if job := self.job(name, who):
                    children = len(list(job.children))
                    say(who, f"info {name} {sn(job)} children={children} parent={show(job.parent is not None)}")
            case ["resume", name, value]:
                if continuation := self.continuation(name, who, "resuming"):
                    if continuation[0]:
                        cont, lost = continuation[1], lambda value: say(who, f"lost {value}")
                        self.tr.try_now(f"resume {name}", cont.resume, value, lost)
                    else:
                        continuation[1].resume(value)
            case ["resumeEx", name, message]:
                if continuation := self.continuation(name, who, "resumingEx"):
                    self.tr.try_now(f"resumeEx {name}", continuation[1].resume_with_exception, Boom(message))
            case ["contCancel", name, message]:
                cancellable, cont = self.continuations.get(name, (False, None))
                if cancellable:
                    say(who, f"cont cancel {name}")
                    say(who, f"cont cancelled {name} {show(cont.cancel(message and Boom(message)))}")
                else:
                    say(who, "no cont")
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

    def block(self, ops: list[Op], who: str) -> Iterator[Any]:
        """Run `ops` as the body of a block, whose scope they act on."""
        yield from self.run(ops, vmscope.current_scope(), who)
        return "v"

    def scoped(self, builder: Any, ops: list[Op], who: str) -> Iterator[Any]:
        yield from builder(self.block, ops, who)

    def timed(self, seconds: float, ops: list[Op], who: str) -> Iterator[Any]:
        yield from b_with_timeout(seconds, self.block, ops, who)

    def step(self, op: Op, scope: Any, who: str) -> Iterator[Any]:
        """Do what only a coroutine may do."""
        say = self.say

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
                    try:
                        yield from self.run(body, scope, who)
                    except GeneratorExit:
                        raise
                    except BaseException as e:
                        if handler is None:
                            raise
                        say(who, f"caught {chain(e)}")
                        yield from self.run(handler, scope, who)
                        if rethrow:
                            raise
                except GeneratorExit:
                    final = None  # nobody resumes this coroutine any more, and it is being collected
                    raise
                finally:
                    if final is not None:
                        say(who, "finally")
                        yield from self.run(final, scope, who)
            case ["susp", name]:

                def keep(cont: Any) -> None:
                    self.continuations[name] = (True, cont)
                    cont.invoke_on_cancellation(lambda e: say(who, f"ioc {name} {d(e)}"))
                    say(who, f"suspending active={show(cont.is_active)}")

                value = yield from vmscope.suspend_cancellable_coroutine(keep)
                say(who, f"susp {name} -> {show(value)}")
            case ["suspPlain", name]:

                def keep_plain(cont: Any) -> None:
                    self.continuations[name] = (False, cont)

                value = yield from vmscope.suspend_coroutine(keep_plain)
                say(who, f"suspPlain {name} -> {show(value)}")
            case ["wcName", body]:
                value = yield from vmscope.with_context(vmscope.CoroutineName("n"), self.block, body, who)
                say(who, f"wcName -> {value}")
            case ["wcJob", name, body]:
                if job := self.job(name, who):
                    value = yield from vmscope.with_context(job, self.block, body, who)
                    say(who, f"wcJob -> {value}")
            case ["awaitAll", names]:
                found = [self.jobs[one] for one in names if isinstance(self.jobs.get(one), vmscope.Deferred)]
                value = yield from b_await_all(*found)
                say(who, f"awaitAll -> {show(value)}")
            case ["joinAll", names]:
                yield from vmscope.join_all(*[self.jobs[one] for one in names if one in self.jobs])
                say(who, "joinAll")
            case ["throwCEC", message, cause]:
                say(who, f"throwing CE {message}")
                raise CE(message, Boom(cause))
            case ["name"]:
                name = vmscope.current_context()[vmscope.CoroutineName]
                say(who, f"name {name.name if name else 'null'}")
            case ["scope", body]:
                yield from self.scoped(vmscope.coroutine_scope, body, who)
                say(who, "scope done")
            case ["sup", body]:
                yield from self.scoped(vmscope.supervisor_scope, body, who)
                say(who, "sup done")
            case ["wc", name, body]:
                value = yield from vmscope.with_context(self.dispatcher(name), self.block, body, who)
                say(who, f"wc {name} -> {value}")
            case ["nc", body]:
                value = yield from vmscope.with_context(vmscope.NonCancellable, self.block, body, who)
                say(who, f"nc -> {value}")
            case ["timeout", seconds, body]:
                yield from self.timed(seconds, body, who)
                say(who, "timeout -> v")
            case ["timeoutOrNull", seconds, body]:
                value = yield from b_with_timeout_or_none(seconds, self.block, body, who)
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
                elements = self.channels[name].iterator()
                while (yield from elements.has_next()):
                    say(who, f"each {name} {elements.next()}")
                    yield from self.run(body, scope, who)
                say(who, f"each {name} end")
            case ["withLock", name, body]:

                def locked() -> Iterator[Any]:
                    say(who, f"locked {name}")
                    yield from self.run(body, scope, who)

                yield from with_lock(self.mutexes[name], locked)
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
        """Name the clauses of a select; each gives the text that says it won."""
        for clause in clauses:
            match clause:
                case ["recv", name]:
                    builder.on_receive(self.channels[name], lambda x, name=name: f"recv {name} {x}")
                case ["recvC", name]:
                    builder.on_receive_catching(
                        self.channels[name], lambda result, name=name: f"recvC {name} {self.result(result)}"
                    )
                case ["send", name, value]:
                    builder.on_send(self.channels[name], value, lambda name=name, value=value: f"send {name} {value}")
                case ["awaitD", name]:
                    builder.on_await(self.deferreds[name], lambda x, name=name: f"awaitD {name} {x}")
                case ["join", name]:
                    if name in self.jobs:
                        builder.on_join(self.jobs[name], lambda name=name: f"join {name}")
                case ["timeout", seconds]:
                    builder.on_timeout(seconds, lambda seconds=seconds: f"timeout {seconds}")
                case _:
                    raise AssertionError(f"unknown clause {clause[0]}")

    def execute(self) -> None:
        """Run it to its end, twice: left alone, and with its scope cancelled."""
        for time, ops in self.program["events"]:

            def event(ops: list[Op] = ops) -> None:
                for op in ops:
                    try:
                        assert self.plain(op, self.scope, "plain")
                    except BaseException as e:  # noqa: BLE001  (what a completion handler raised)
                        self.say("plain", f"threw {chain(e)}")

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


def execute(program: dict[str, Any], tr: Tr, kind: type[Prog] = Prog) -> None:
    """Run `program` and record it in `tr`."""
    kind(program, tr, install_main()).execute()
