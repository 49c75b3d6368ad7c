"""Seeded faults: one-line changes that a race test must find. They keep the tests honest; most were real slips once.

A fault is put into the compiled functions of the module, in place, and taken out again: whoever has imported from the
module, and whatever was made from its classes, sees the change.
"""

# ruff: noqa: E501  (what is replaced stands as it stands in the file)

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any


class Fault:
    """In the module `where`, `old` becomes `new`; the program `found_by` goes wrong then."""

    def __init__(self, name: str, where: str, old: str, new: str, found_by: str) -> None:
        self.name = name
        self.where = where
        self.old = old
        self.new = new
        self.found_by = found_by

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Have it in the code while the block runs."""
        module = sys.modules[f"vmscope.{self.where}"]
        changed = _compiled(module, self.old, self.new)
        functions = [each for each in _functions(module) if _different(each.__code__, changed)]
        assert functions, f"{self.name}: no function changes"
        codes = [each.__code__ for each in functions]
        for each in functions:
            each.__code__ = changed[each.__code__.co_qualname]
        try:
            yield
        finally:
            for each, code in zip(functions, codes, strict=True):
                each.__code__ = code


def _compiled(module: ModuleType, old: str, new: str) -> dict[str, CodeType]:
    assert module.__file__ is not None
    with open(module.__file__, encoding="utf-8") as file:
        text = file.read()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {module.__name__}, not once"
    stack = [compile(text.replace(old, new), module.__file__, "exec", dont_inherit=True)]
    found: dict[str, CodeType] = {}
    while stack:
        code = stack.pop()
        last = found.get(code.co_qualname)  # the functions before an overloaded one have its name
        if last is None or last.co_firstlineno < code.co_firstlineno:
            found[code.co_qualname] = code
        stack += [each for each in code.co_consts if isinstance(each, CodeType)]
    return found


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    stack: list[Any] = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    seen: set[int] = set()
    while stack:
        each = stack.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, FunctionType):
            if each.__code__.co_filename == module.__file__:
                yield each
        elif isinstance(each, property):
            stack += filter(None, (each.fget, each.fset))
        elif isinstance(each, (classmethod, staticmethod)):
            stack.append(each.__func__)
        elif isinstance(each, type) and each.__module__ == module.__name__:
            stack += vars(each).values()


def _different(code: CodeType, changed: dict[str, CodeType]) -> bool:
    other = changed.get(code.co_qualname)
    return other is not None and _text(other) != _text(code)


def _text(code: CodeType) -> tuple[Any, ...]:
    constants = tuple(_text(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts)
    return code.co_code, code.co_names, constants


JOB, SUSPEND, QUEUE = "coroutines._job", "coroutines._suspend", "looper._queue"
HELD = "coroutines._held"
MODEL, STORE, PROVIDER, POOL = "lifecycle._viewmodel", "lifecycle._store", "lifecycle._provider", "coroutines._pool"
DISPATCHER, FRAME, TIMER = "coroutines._dispatcher", "coroutines._frame", "coroutines._timer"
DEFERRED, LOOPER, COROUTINE = "coroutines._deferred", "looper._looper", "coroutines._coroutine"
MESSAGE = "looper._message"

FAULTS = [
    # ---- view models
    Fault("two scopes: the lock dropped", MODEL,
          '    with inside.lock:\n        if inside.scope is None:\n            scope = ViewModelScope',
          '    if True:\n        if inside.scope is None:\n            scope = ViewModelScope',
          "the_first_look_at_a_scope"),
    Fault("a live scope after clear: not asked when it is made", MODEL,
          "            if inside.cleared:\n                _cancel_cleared(view_model, scope)\n", "",
          "the_first_look_at_a_scope_against_clear"),
    Fault("a live scope after clear: asked before the lock", MODEL,
          "    with inside.lock:\n        if inside.scope is None:\n            scope = ViewModelScope(view_model, "
          "dispatcher)\n            if inside.cleared:",
          "    cleared = inside.cleared\n    with inside.lock:\n        if inside.scope is None:\n            scope = "
          "ViewModelScope(view_model, dispatcher)\n            if cleared:",
          "the_first_look_at_a_scope_against_clear"),
    Fault("a scope is given without the lock", MODEL,
          "            with inside.lock:\n                taken = inside.scope",
          "            if True:\n                taken = inside.scope",
          "a_scope_is_given_against_the_first_look"),
    Fault("two flows of failures: the lock dropped", MODEL,
          "            with inside.lock:\n                flow = inside.failures",
          "            if True:\n                flow = inside.failures",
          "the_first_look_at_the_failures"),
    Fault("clear marks before the lock", MODEL,
          "            with inside.lock:\n                if inside.cleared and not inside.broken:\n                    return\n",
          "            if inside.cleared and not inside.broken:\n                return\n            with inside.lock:\n",
          "two_clears"),
    Fault("a closeable added after clear is asked for outside the lock", MODEL,
          "            with inside.lock:\n                late = inside.cleared\n                if not late:",
          "            late = inside.cleared\n            with inside.lock:\n                if not late:",
          "a_closeable_against_clear"),
    Fault("a closeable with a key: the lock dropped", MODEL,
          "        with inside.lock:\n            if inside.cleared:\n                leaving = closeable",
          "        if True:\n            if inside.cleared:\n                leaving = closeable",
          "a_closeable_against_clear"),
    Fault("what a ViewModel has inside is made twice", MODEL,
          'own.setdefault("_vmscope_inside", _Inside())',
          'own.update(_vmscope_inside=_Inside()) or own["_vmscope_inside"]',
          "the_first_look_at_a_scope_of_one_without_init"),
    # ---- stores
    Fault("store put without the lock", STORE,
          "        with self._lock:\n            if self._closed:\n                old: ViewModel",
          "        if True:\n            if self._closed:\n                old: ViewModel",
          "two_puts_under_one_key"),
    Fault("store clear takes the map without the lock", STORE,
          "        with self._lock:\n            leaving = list(self._view_models.values())\n            self._view_models = {}",
          "        leaving = list(self._view_models.values())\n        with self._lock:\n            self._view_models = {}",
          "a_store_put_against_clear"),
    Fault("a clear does not tell those who construct", STORE,
          "            self._generation += 1\n", "",
          "a_view_model_is_made_while_the_store_is_cleared"),
    Fault("two claims for one key", STORE,
          "                theirs = self._claims.get(claim.key)\n", "                theirs = None\n",
          "two_owners_ask_for_one_view_model"),
    Fault("the end of a claim is not told", STORE,
          "            self._end_locked(claim)\n        claim.done.set()\n        if gone",
          "            self._end_locked(claim)\n        if gone",
          "two_owners_ask_for_one_view_model"),
    # ---- the job tree
    Fault("attach looks at the parent before the lock", JOB,
          "    with lock:\n        state = parent._state\n        if state < SEALED:\n            child._parent = parent\n"
          "            parent._add_locked(child)\n            if parent._state != state or child._state >= COMPLETED:",
          "    state = parent._state\n    with lock:\n        if state < SEALED:\n            child._parent = parent\n"
          "            parent._add_locked(child)\n            if False:",
          "a_child_attaches_against_cancel"),
    Fault("a child of a cancelling parent is not cancelled", JOB,
          "        if state <= COMPLETING:\n            return\n        cause = cause_from(parent)\n    cancel_tree",
          "        if state < SEALED:\n            return\n        cause = cause_from(parent)\n    cancel_tree",
          "a_child_attaches_against_cancel"),
    Fault("a child attaches to a final parent and is not told", JOB,
          "        if state <= COMPLETING:\n            return\n        cause = cause",
          "        if state != CANCELLING:\n            return\n        cause = cause",
          "a_child_attaches_against_completion"),
    Fault("begin_cancel without the lock", JOB,
          "        with self._lock:\n            state = self._state\n            if state >= SEALED:\n                return _TOO_LATE",
          "        if True:\n            state = self._state\n            if state >= SEALED:\n                return _TOO_LATE",
          "two_cancels"),
    Fault("a body ends plainly without the lock", COROUTINE,
          "            with self._lock:\n"
          "                nodes = self._nodes\n",
          "            if True:\n"
          "                nodes = self._nodes\n",
          "a_scope_whose_last_child_ends_on_another_thread"),
    Fault("the body ends without the lock", JOB,
          "            with self._lock:\n"
          "                state = self._state\n"
          "                plain =",
          "            if True:\n"
          "                state = self._state\n"
          "                plain =",
          "two_completions"),
    Fault("the end in two moves: a cancel comes between", JOB,
          "                        state, nodes = self._end_locked()\n"
          "            if plain:",
          "                        pass\n"
          "            if not plain and not first:\n"
          "                with self._lock:\n"
          "                    state, nodes = self._end_locked()\n"
          "            if plain:",
          "complete_against_cancel_of_one_that_is_watched"),
    Fault("the plain end without the lock", JOB,
          "                if plain:  #", "            if True:\n                if plain:  #",
          "complete_against_cancel"),
    Fault("the parent looks for children without the lock", JOB,
          "                with parent._lock:\n                    state, nodes = parent._end_locked()",
          "                if True:\n                    state, nodes = parent._end_locked()", "two_last_children_end_with_their_parent"),
    Fault("what was broken off goes on without the lock", JOB,
          "        with job._lock:\n            over = ", "        if True:\n            over = ",
          "a_completion_that_broke_off_is_mended_as_the_last_child_ends"),
    Fault("a handler is added after the look at the end", JOB,
          "        with self._lock:\n            state = self._state\n            if state >= COMPLETED:\n                return False\n"
          "            if node._kind == ON_CANCELLING and state >= CANCELLING:\n                return False\n"
          "            self._add_locked(node)\n            if self._state == state:",
          "        state = self._state\n        with self._lock:\n            if state >= COMPLETED:\n                return False\n"
          "            if node._kind == ON_CANCELLING and state >= CANCELLING:\n                return False\n"
          "            self._add_locked(node)\n            if True:",
          "a_handler_comes_against_the_end"),
    Fault("a cancelling handler is added though the cancellation was told", JOB,
          "            if node._kind == ON_CANCELLING and state >= CANCELLING:\n                return False\n", "",
          "a_cancelling_handler_comes_against_cancel"),
    Fault("start without the lock", JOB,
          "            with self._lock:\n                if self._state != NEW:\n                    return False\n                self._state = ACTIVE",
          "            if True:\n                if self._state != NEW:\n                    return False\n                self._state = ACTIVE",
          "a_lazy_job_is_started_twice"),
    Fault("a job does not wait for its last child", JOB,
          "waiting = [node for node in nodes if node._kind == CHILD]", "waiting = []",
          "the_last_child_ends_with_its_parent"),
    Fault("join does not look whether it came too late", SUSPEND,
          "        return bool(job._add_node(self)) or not self._claim()",
          "        job._add_node(self)\n        return True",
          "join_against_completion"),
    Fault("join of a job of the same tree without the lock", SUSPEND,
          "            with frame._lock:\n                state = job._state\n                if state < _COMPLETED and",
          "            if True:\n                state = job._state\n                if state < _COMPLETED and",
          "join_of_a_sibling_against_its_end"),
    Fault("a plain cancel without the lock", JOB,
          "            with job._lock:\n"
          "                # The plain case",
          "            if True:\n"
          "                # The plain case",
          "a_join_ends_against_cancel_of_its_coroutine"),
    Fault("a frame attaches plainly without the lock", FRAME,
          "        with lock:  # the plain case", "        if True:  # the plain case",
          "a_scope_block_begins_against_cancel"),
    # ---- continuations
    Fault("a wait is claimed without the lock", SUSPEND,
          "        with self._frame._lock:\n            mine = self._claim",
          "        if True:\n            mine = self._claim",
          "await_against_cancel_of_the_caller"),
    Fault("resume settles without the lock", SUSPEND,
          "            with self._lock():\n"
          "                phase = self._phase\n"
          "                if phase == CANCELLED_PHASE and ignore:",
          "            if True:\n"
          "                phase = self._phase\n"
          "                if phase == CANCELLED_PHASE and ignore:",
          "resume_against_resume"),
    Fault("cancel settles without the lock", SUSPEND,
          "            with self._lock():\n"
          "                phase = self._phase\n"
          "                if phase > SUSPENDED_PHASE:\n"
          "                    return False",
          "            if True:\n"
          "                phase = self._phase\n"
          "                if phase > SUSPENDED_PHASE:\n"
          "                    return False",
          "resume_against_cancel"),
    Fault("the wait begins without the lock", SUSPEND,
          "        with frame._lock:\n            if _ACTIVE <= frame._state <= _COMPLETING:\n                frame._waiter = self",
          "        if True:\n            if _ACTIVE <= frame._state <= _COMPLETING:\n                frame._waiter = self",
          "a_wait_begins_against_cancel_of_its_job"),
    Fault("a cancelled job is final without the lock", JOB,
          "        with self._lock:\n            # Where it was raised: each rethrow",
          "        if True:\n            # Where it was raised: each rethrow",
          "a_handler_comes_as_a_cancelled_job_ends"),
    Fault("a cascade looks who waits without the lock", JOB,
          "        with job._lock:\n            nodes: list[Any]",
          "        if True:\n            nodes: list[Any]",
          "a_handler_comes_behind_one_that_waits_against_cancel"),
    Fault("a continuation begins without the lock", SUSPEND,
          "            with frame._lock:\n                inactive = not frame.is_active",
          "            if True:\n                inactive = not frame.is_active",
          "a_continuation_begins_against_cancel_of_its_job"),
    Fault("a resume before the block is over is overwritten", SUSPEND,
          "            if self._phase == UNDECIDED:\n                self._phase = SUSPENDED_PHASE\n                return SUSPENDED",
          "            if self._phase <= RESUMED:\n                self._phase = SUSPENDED_PHASE\n                return SUSPENDED",
          "a_resume_comes_before_the_block_is_over"),
    Fault("the decision to suspend without the lock", SUSPEND,
          "        with frame._lock:\n            if self._phase == UNDECIDED:",
          "        if True:\n            if self._phase == UNDECIDED:",
          "a_resume_comes_before_the_block_is_over"),
    Fault("a lost value is not given back", SUSPEND,
          "        if on_lost is not None:\n            self._quietly(\"resume on_cancellation\", on_lost, self._value)",
          "        if on_lost is not None:\n            pass",
          "a_value_that_is_resumed_and_lost_is_given_back"),
    # ---- the message queue
    Fault("look first, announce the sleep second", QUEUE,
          "                seconds = self._rest()  # S2 then look",
          "                self._asleep = _AWAKE\n                seconds = self._rest()  # S2 then look\n"
          "                self._asleep = _BEHIND_BARRIER if self._barrier is not None else _ASLEEP  # S1 announce",
          "put_against_falling_asleep"),
    Fault("ring first, put second", QUEUE,
          "        self._inbox.append(item)  # P1 put, then look\n        if self._asleep:  # P2\n            self._ring(item)",
          "        if self._asleep:  # P2\n            self._ring(item)\n        self._inbox.append(item)  # P1 put, then look",
          "put_against_falling_asleep"),
    Fault("the sleeper does not look at timed items", QUEUE,
          "        if inbox or timed or self._attention:\n            return 0.0",
          "        if inbox:\n            return 0.0",
          "a_timed_put_against_falling_asleep"),
    Fault("the time to sleep until is known before the look", QUEUE,
          "                self._sleep_until = inf\n                seconds = self._rest()",
          "                self._sleep_until = -inf\n                seconds = self._rest()",
          "a_timed_put_against_falling_asleep"),
    Fault("the time to sleep until stays for the second look", QUEUE,
          "                self._sleep_until = inf\n                seconds = self._rest()",
          "                seconds = self._rest()",
          "a_timed_put_against_a_sleeper_that_woke_for_what_was_taken_back"),
    Fault("the horizon is moved and nobody looks behind it", QUEUE,
          "                if timed:\n                    continue\n",
          "                if False:\n                    continue\n",
          "a_timed_put_against_a_horizon_that_moves"),
    Fault("a barrier is taken up without the lock", QUEUE,
          "        with self._lock:\n            self._seq += 1\n            self._begin_stall_locked(",
          "        if True:\n            self._seq += 1\n            self._begin_stall_locked(",
          "a_barrier_is_taken_up_against_puts_and_a_look"),
    Fault("a look at the next time without the lock", QUEUE,
          "        with self._lock:\n            self._sort_in_locked()\n            due =",
          "        if True:\n            self._sort_in_locked()\n            due =",
          "a_look_at_the_next_time_against_a_take"),
    Fault("a look at all that is pending without the lock", QUEUE,
          "        with self._lock:\n            pending = self._pending_locked()\n        limit",
          "        if True:\n            pending = self._pending_locked()\n        limit",
          "a_look_at_all_that_is_pending_against_a_take"),
    Fault("two loops enter without the lock", QUEUE,
          "        with self._lock:\n            if self._depth and self._owner != here:",
          "        if True:\n            if self._depth and self._owner != here:",
          "two_would_run_one_queue"),
    Fault("a timed put takes itself back without the lock", QUEUE,
          "            with self._lock:\n                if item.when is when:  # nobody has taken it",
          "            if True:\n                if item.when is when:  # nobody has taken it",
          "a_timed_put_against_quit"),
    Fault("an idle handler comes without the lock", QUEUE,
          "        with self._lock:\n            self._idle_handlers = (*self._idle_handlers, handler)",
          "        if True:\n            self._idle_handlers = (*self._idle_handlers, handler)",
          "two_idle_handlers_come"),
    Fault("an idle handler goes without the lock", QUEUE,
          "        with self._lock:\n            self._idle_handlers = tuple(one for one in self._idle_handlers if one is not gone)",
          "        if True:\n            self._idle_handlers = tuple(one for one in self._idle_handlers if one is not gone)",
          "an_idle_handler_goes_as_another_comes"),
    Fault("an idle handler that has had enough goes without the lock", QUEUE,
          "                with self._lock:\n                    self._idle_handlers = tuple(",
          "                if True:\n                    self._idle_handlers = tuple(",
          "an_idle_handler_has_had_enough_as_another_comes"),
    Fault("the bell before the flag", QUEUE,
          "        self._asleep = _AWAKE\n        if self._host is None or self._depth:\n            self._bell.ring()",
          "        if self._host is None or self._depth:\n            self._bell.ring()\n        self._asleep = _AWAKE",
          "two_puts_against_falling_asleep"),
    Fault("the timed items are looked at before the inbox", QUEUE,
          "                if timed:\n                    continue\n",
          "                if timed:\n                    continue\n                first = inbox[0] if inbox else None\n",
          "one_in_front_and_a_later_one_against_a_take"),
    Fault("a put does not look whether the queue quit meanwhile", QUEUE,
          "        return not self._quitting or item.when is not when or self._stays(item)  # P3 did the queue quit meanwhile?",
          "        return True", "put_against_quit_of_an_idle_queue"),
    Fault("a timed put does not look whether the queue quit meanwhile", QUEUE,
          "        if self._quitting:  # P3\n            with self._lock:\n                if item.when is when:",
          "        if False:  # P3\n            with self._lock:\n                if item.when is when:",
          "a_timed_put_against_quit_against_a_loop"),
    Fault("a refused put leaves the item in the queue", QUEUE,
          "            self._inbox.remove(item)\n        except ValueError:\n            return True\n        return False",
          "            pass\n        except ValueError:\n            return True\n        return False",
          "put_against_quit"),
    Fault("quit wakes nobody", QUEUE,
          "        if sweep:\n            self._sweep(now)\n        self.wake()",
          "        if sweep:\n            self._sweep(now)",
          "a_timed_put_against_quit_against_a_loop"),
    Fault("the loop that leaves sweeps nothing", QUEUE,
          "            sweep = self._quitting and not self._depth\n        if sweep:  #",
          "            sweep = False\n        if sweep:  #",
          "a_timed_put_against_quit_against_a_loop"),
    Fault("two main loopers", LOOPER,
          "        with _registry:\n            if _main is not None and not _main.queue.is_quitting:",
          "        if True:\n            if _main is not None and not _main.queue.is_quitting:",
          "two_threads_prepare_the_main_looper"),
    # ---- pools and dispatchers
    Fault("the pool counts without the lock", POOL,
          "        with self._lock:\n            if self._shut:\n                raise self._closed",
          "        if True:\n            if self._shut:\n                raise self._closed",
          "two_tasks_on_a_pool"),
    Fault("a thread goes though a task is on its way", POOL,
          "                    if self._queued < self._waiting:\n                        self._waiting -= 1\n                        return None",
          "                    if True:\n                        self._waiting -= 1\n                        return None",
          "a_task_comes_as_the_last_thread_goes"),
    # ---- a looper whose thread is in a run_blocking
    Fault("who puts does not tell the one that holds the looper", QUEUE,
          "        self._asleep = _BEHIND_BARRIER  # S1, as in `_sleep`: plain messages need not be told\n",
          "",
          "a_looper_is_held_by_a_block_that_waits_for_it"),
    Fault("who begins to wait does not tell the one that holds the looper", SUSPEND,
          "    for witness in tuple(witnesses):\n        witness()",
          "    return None",
          "a_looper_is_held_by_a_block_whose_child_waits_for_it"),
    Fault("who calls the host looks twice where it is", QUEUE,
          "            call_quietly(report_uncaught, host)",
          "            call_quietly(report_uncaught, self._host)",
          "a_host_leaves_against_a_put"),
    Fault("who has held a looper stays its host", QUEUE,
          "            self.set_host(host)\n            if self._depth:",
          "            if self._depth:",
          "a_looper_is_held_in_a_message_and_let_go"),
    Fault("a looper that was held counts as asleep", QUEUE,
          "            if self._depth:  # else `set_host` has seen to it",
          "            if not self._depth:",
          "a_looper_is_held_in_a_message_and_let_go"),
    Fault("a pump looks twice for who is to be told of the time", LOOPER,
          "            call_later(seconds)\n        return seconds",
          "            self._call_later(seconds)\n        return seconds",
          "a_host_leaves_against_a_pump"),
    Fault("who asks for a barrier looks twice", QUEUE,
          "        if barrier is None or barrier.removed:",
          "        if barrier is None or self._barrier.removed:",
          "a_barrier_goes_as_somebody_asks_for_it"),
    Fault("who shows a message looks twice for its target", MESSAGE,
          "{target.name}",
          "{self.target.name}",
          "a_message_is_shown_as_it_is_run"),
    Fault("who mends looks twice for who waits", JOB,
          "                waiter._cancelled_by(job)\n            errors:",
          "                job._waiter._cancelled_by(job)\n            errors:",
          "a_cancellation_that_broke_off_is_mended_as_its_wait_is_resumed"),
    Fault("who runs a message looks twice whether it is watched", QUEUE,
          "                        watch(item)",
          "                        self._watch(item)",
          "the_limits_of_slow_messages_are_taken_back_against_a_dispatch"),
    Fault("who asks whether a message was slow looks twice for the limit", LOOPER,
          "clock() - began >= limit:",
          "clock() - began >= self._slow_dispatch:",
          "the_limits_of_slow_messages_are_taken_back_against_a_dispatch"),
    Fault("who asks whether a message is late looks twice for the limit", LOOPER,
          "0.0, limit, what)",
          "0.0, self._slow_delivery, what)",
          "the_limits_of_slow_messages_are_taken_back_against_a_dispatch"),
    Fault("where no thread comes, what others have queued is forgotten", POOL,
          "            if task is not block:\n                refuse(task)",
          "            if task is not block:\n                pass",
          "two_tasks_where_the_system_gives_no_thread"),
    Fault("where no thread comes, the tasks are left in the queue", POOL,
          "                left = self._take_all_locked()",
          "                left = [block]",
          "two_tasks_where_the_system_gives_no_thread"),
    Fault("where no thread comes, what is taken is not counted", POOL,
          "            self._queued -= 1\n            if task is not None:\n                left.append(task)",
          "            if task is not None:\n                left.append(task)",
          "two_tasks_where_the_system_gives_no_thread"),
    Fault("where no thread comes, the tasks are taken after the lock", POOL,
          "                    return  # those that are there will come to it\n                left = self._take_all_locked()",
          "                    return\n            left = self._take_all_locked()",
          "two_tasks_where_the_system_gives_no_thread"),
    Fault("a worker gives its place up and does not look again", DISPATCHER,
          "                    if not queue or self._running >= self.limit:  # W2 then look again\n"
          "                        self._closed = False  # who puts next asks the parent\n                        return",
          "                    return",
          "the_worker_of_a_limited_view_hands_over"),
    Fault("a worker looks first and gives its place up second", DISPATCHER,
          "                with self._lock:\n                    self._running -= 1  # W1 give the place up\n"
          "                    if not queue or self._running >= self.limit:  # W2 then look again\n"
          "                        self._closed = False  # who puts next asks the parent\n                        return",
          "                empty = not queue\n                with self._lock:\n                    self._running -= 1\n"
          "                    if empty or self._running >= self.limit:\n                        return",
          "the_worker_of_a_limited_view_hands_over"),
    Fault("what a view refuses stays in its queue", DISPATCHER,
          "        if left:\n            return task is not None and self._take_back(task)",
          "        if left:\n            return True",
          "tasks_for_a_view_come_as_its_pool_is_shut"),
    Fault("who counted on a worker that is refused is forgotten", DISPATCHER,
          "            else:  # it was put without a worker of its own, for this one was on its way\n                refuse(other)",
          "            else:\n                pass",
          "tasks_for_a_view_come_as_its_pool_is_shut"),
    Fault("a refused worker keeps its place", DISPATCHER,
          "        with self._lock:\n            self._running -= 1\n            left = self._running",
          "        with self._lock:\n            left = self._running - 1",
          "tasks_for_a_view_come_as_its_pool_is_shut"),
    Fault("a limited view takes a place back without the lock", DISPATCHER,
          "        with self._lock:\n            self._running -= 1\n            left = self._running",
          "        if True:\n            self._running -= 1\n            left = self._running",
          "two_puts_that_the_parent_of_a_limited_view_refuses"),
    Fault("a limited view counts without the lock", DISPATCHER,
          "        with self._lock:\n            full = self._running >= self.limit\n",
          "        if True:\n            full = self._running >= self.limit\n",
          "the_worker_of_a_limited_view_hands_over"),
    Fault("put behind the look at the places", DISPATCHER,
          "        self._queue.append(task)  # P1 queue it\n        with self._lock:\n            full = self._running >= self.limit\n"
          "            if full and not self._closed:\n",
          "        with self._lock:\n            full = self._running >= self.limit\n        self._queue.append(task)\n"
          "        with self._lock:\n            if full and not self._closed:\n",
          "the_worker_of_a_limited_view_hands_over"),
    Fault("a stranger's second run is let through", DISPATCHER,
          "            coroutine = self._coroutine.pop()  # one step on every build: a second caller finds nothing\n",
          "            coroutine = self._coroutine[0]\n            self._coroutine.clear()\n",
          "a_stranger_runs_a_coroutine_twice"),
    Fault("two timer threads", TIMER,
          "        with _guard:\n            timers = _timers\n            if timers is None:",
          "        if True:\n            timers = _timers\n            if timers is None:",
          "the_first_look_at_the_timers"),
    # ---- coroutines and their frames
    Fault("the block comes back without the lock", FRAME,
          "        with frame._lock:\n            if frame._early is None:\n                frame._early = Early(self._value, error)",
          "        if True:\n            if frame._early is None:\n                frame._early = Early(self._value, error)",
          "a_hop_against_the_hop_back"),
    Fault("the caller leaves without the lock", FRAME,
          "        with self._lock:\n            early: Early | None = self._early\n            self._early = LEFT",
          "        if True:\n            early: Early | None = self._early\n            self._early = LEFT",
          "a_hop_against_the_hop_back"),
    Fault("a frame that has ended is waited for", FRAME,
          "            if frame._state < COMPLETED:\n                self._coroutine = coroutine\n                frame._waits = self\n                return SUSPENDED",
          "            if True:\n                self._coroutine = coroutine\n                frame._waits = self\n                return SUSPENDED",
          "a_scope_whose_last_child_ends_on_another_thread"),
    Fault("an await that comes too late is not told", DEFERRED,
          "        if not self._suspend_for(coroutine, job):\n            return self._outcome(coroutine)\n",
          "        self._suspend(coroutine)\n        job._add_node(self)\n",
          "complete_against_await"),
]  # fmt: skip
