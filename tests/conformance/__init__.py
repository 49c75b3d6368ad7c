"""What the real kotlinx.coroutines traced, and what this library traces for the same scenarios and programs."""
