"""The programs of `examples/`, run as a reader runs them."""
