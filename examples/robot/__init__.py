"""A robot without a window: a bare looper, two threads with loopers of their own, a status line.

    python -m examples.robot            Ctrl-C ends it
"""
