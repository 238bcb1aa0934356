"""Each example of a framework with a model of that framework's own, which needs no key.

Run as `python -m tests.examples.frameworks.NAME IMAGE IDEA` where the framework is installed.
"""
