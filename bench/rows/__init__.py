"""The rows, one file for each family. A family's files are imported by those who measure it, and by no others."""

FAMILIES = ("launching", "yielding", "timing", "threads", "memory", "channels", "flows")
