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
