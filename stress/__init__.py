"""One script a race or a limit, outside pytest: real threads, bounded time, figures printed, 1 for a failure."""
