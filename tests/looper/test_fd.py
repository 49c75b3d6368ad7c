"""Descriptors in the queue: a listener runs on the loop's thread when there is something to read or room to write."""

from __future__ import annotations

import socket
import threading

import pytest

from vmscope.looper import EVENT_ERROR, EVENT_INPUT, EVENT_OUTPUT, MessageQueue

from .notes import Note


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_a_listener_hears_what_arrives_while_the_loop_sleeps(pair):
    near, far = pair
    queue, heard = MessageQueue(), []

    def listen(fd, events):
        heard.append((fd is near, events, near.recv(10), threading.current_thread()))
        return EVENT_INPUT

    queue.add_fd_listener(near, EVENT_INPUT, listen)
    threading.Timer(0.01, far.send, [b"hello"]).start()

    queue.run_until(lambda: heard)

    assert heard == [(True, EVENT_INPUT, b"hello", threading.current_thread())]


def test_a_busy_queue_still_looks_at_its_descriptors(pair):
    near, far = pair
    queue, heard = MessageQueue(), []
    queue.add_fd_listener(near, EVENT_INPUT, lambda fd, events: heard.append(near.recv(10)))
    far.send(b"hello")
    eager = Note("again", [])
    eager.then = lambda: queue.put(eager)
    queue.put(eager)

    queue.run_until(lambda: heard)

    assert heard == [b"hello"]


@pytest.mark.parametrize(("answer", "again"), [(0, False), (None, True), (EVENT_INPUT, True)])
def test_what_a_listener_answers_is_what_it_hears_next(pair, answer, again):
    near, far = pair
    queue, heard = MessageQueue(), []

    def listen(fd, events):
        heard.append(near.recv(1))
        return answer

    queue.add_fd_listener(near, EVENT_INPUT, listen)
    far.send(b"ab")
    queue.run_until(lambda: heard)
    queue.put_at(Note("later", [], queue.quit), queue.clock() + 0.02)
    queue.run_until()

    assert (len(heard) > 1) is again


def test_a_second_listener_takes_the_place_of_the_first(pair):
    near, far = pair
    queue, heard = MessageQueue(), []
    queue.add_fd_listener(near, EVENT_INPUT, lambda fd, events: heard.append("first"))
    queue.add_fd_listener(near, EVENT_INPUT, lambda fd, events: (heard.append("second"), near.recv(10), 0)[-1])
    far.send(b"x")

    queue.run_until(lambda: heard)

    assert heard == ["second"]


def test_room_to_write_is_told(pair):
    near, _ = pair
    queue, heard = MessageQueue(), []
    queue.add_fd_listener(near, EVENT_OUTPUT, lambda fd, events: heard.append(events) or 0)

    queue.run_until(lambda: heard)

    assert heard == [EVENT_OUTPUT]


def test_the_end_of_the_other_side_is_told_as_input(pair):
    near, far = pair
    queue, heard = MessageQueue(), []
    queue.add_fd_listener(near, EVENT_INPUT | EVENT_ERROR, lambda fd, events: heard.append((events, near.recv(1))) or 0)
    far.close()

    queue.run_until(lambda: heard)

    assert heard[0][0] & EVENT_INPUT
    assert heard[0][1] == b""


def test_a_listener_that_raises_is_reported_and_removed(pair, uncaught):
    near, far = pair
    queue = MessageQueue()
    queue.add_fd_listener(near, EVENT_INPUT, lambda fd, events: 1 / 0)
    far.send(b"x")

    queue.run_until(lambda: uncaught)
    queue.put_at(Note("later", [], queue.quit), queue.clock() + 0.02)
    queue.run_until()

    assert [type(error) for error in uncaught] == [ZeroDivisionError]
    uncaught.clear()


def test_a_removed_listener_hears_nothing(pair):
    near, far = pair
    queue, heard = MessageQueue(), []
    queue.add_fd_listener(near, EVENT_INPUT, lambda fd, events: heard.append(events))
    queue.remove_fd_listener(near)
    far.send(b"x")

    queue.put_at(Note("later", [], queue.quit), queue.clock() + 0.02)
    queue.run_until()

    assert heard == []


def test_a_post_wakes_a_loop_that_sleeps_on_descriptors(pair):
    near, _ = pair
    queue, log = MessageQueue(), []
    queue.add_fd_listener(near, EVENT_INPUT, lambda fd, events: None)
    thread = threading.Thread(target=lambda: queue.run_until(lambda: log))
    thread.start()
    while not queue.is_polling():
        pass

    queue.put(Note("put", log))
    thread.join(5)

    assert log == ["put"]


def test_the_first_listener_wakes_a_loop_that_sleeps_without_descriptors(pair):
    near, far = pair
    queue, heard = MessageQueue(), []
    thread = threading.Thread(target=lambda: queue.run_until(lambda: heard))
    thread.start()
    while not queue.is_polling():
        pass
    far.send(b"x")

    queue.add_fd_listener(near, EVENT_INPUT, lambda fd, events: heard.append(near.recv(1)))
    thread.join(5)

    assert heard == [b"x"]


@pytest.mark.parametrize(("events", "text"), [(8, "only EVENT_INPUT"), (EVENT_INPUT, "closed, or no descriptor")])
def test_a_listener_wants_a_descriptor_and_known_events(pair, events, text):
    near, _ = pair
    if events == EVENT_INPUT:
        near.close()

    with pytest.raises(ValueError, match=text):
        MessageQueue().add_fd_listener(near, events, lambda fd, events: None)


def test_a_bell_that_is_full_or_closed_is_rung_without_a_word(pair):
    near, _ = pair
    queue, log = MessageQueue(), []
    queue.add_fd_listener(near, EVENT_INPUT, print)
    for _ in range(100_000):
        queue.wake()  # nobody listens: in the end the socket takes no more

    queue.put(Note("ran", log))
    queue.run_due()
    queue._fds.close()
    queue.wake()

    assert log == ["ran"]


def test_a_listener_that_is_removed_by_another_of_the_same_turn_is_not_called(pair):
    near, far = pair
    queue, heard = MessageQueue(), []
    far.send(b"to near")
    near.send(b"to far")

    def first(fd, events):
        heard.append(fd)
        queue.remove_fd_listener(far if fd is near else near)

    queue.add_fd_listener(near, EVENT_INPUT, first)
    queue.add_fd_listener(far, EVENT_INPUT, first)
    queue._fds.poll()
    queue._fds.poll()

    assert len(set(heard)) == 1


def test_a_ring_that_another_look_has_taken_is_no_failure(pair):
    near, _ = pair
    queue = MessageQueue()
    queue.add_fd_listener(near, EVENT_INPUT, print)
    queue.wake()

    class Stolen:
        """The ear of the bell; what it was called for is gone when it listens."""

        def __init__(self, ear):
            self.ear = ear

        def recv(self, size):
            self.ear.recv(size)
            return self.ear.recv(size)

        def close(self):
            self.ear.close()

    fds = queue._fds
    fds._selector.modify(fds._hear, EVENT_INPUT)
    fds._selector.unregister(fds._hear)
    stolen = Stolen(fds._hear)
    stolen.fileno = fds._hear.fileno
    fds._hear = stolen
    fds._selector.register(stolen, EVENT_INPUT)

    assert fds._select(0)
    assert not fds._select(0)


def test_a_descriptor_that_is_closed_meanwhile_is_let_go_of(pair, uncaught):
    """Before the selector hears of it that is reported; afterwards there is nothing to tell."""
    near, far = pair
    queue, heard = MessageQueue(), []
    gone, other = socket.socketpair()
    queue.add_fd_listener(gone, EVENT_INPUT, heard.append)
    gone.close()
    queue._fds.poll()
    assert isinstance(uncaught.pop(), (ValueError, OSError))

    known, last = socket.socketpair()
    number = known.fileno()
    queue.add_fd_listener(known, EVENT_INPUT, heard.append)
    queue._fds.poll()
    known.close()
    queue.remove_fd_listener(number)
    queue.add_fd_listener(near, EVENT_INPUT, lambda fd, events: heard.append(fd.recv(9)))
    far.send(b"hello")
    queue._fds.poll()
    other.close()
    last.close()

    assert heard == [b"hello"]


def test_an_answer_of_a_listener_that_was_replaced_meanwhile_is_not_asked_for(pair):
    near, far = pair
    queue, heard = MessageQueue(), []

    def second(fd, events):
        heard.append(("second", near.recv(10)))

    def first(fd, events):
        heard.append("first")
        queue.add_fd_listener(near, EVENT_INPUT, second)
        return 0

    queue.add_fd_listener(near, EVENT_INPUT, first)
    far.send(b"hello")
    queue._fds.poll()
    queue._fds.poll()

    assert heard == ["first", ("second", b"hello")]


def test_to_stop_listening_where_nobody_listens_does_nothing(pair):
    queue = MessageQueue()

    queue.remove_fd_listener(pair[0])

    assert queue._fds is None


def test_a_listener_hears_only_what_it_asked_for(pair):
    """The number was given to another descriptor between the look and the call."""
    near, _ = pair
    queue, heard = MessageQueue(), []
    queue.add_fd_listener(near, EVENT_OUTPUT, lambda fd, events: heard.append(events))
    queue._fds._ready.append((near.fileno(), EVENT_INPUT))

    queue._fds.poll()

    assert heard == []
