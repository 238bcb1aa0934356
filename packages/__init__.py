"""What others install this server from: a registry, plugins, extensions, a bundle, a catalogue.

Everything is made from `pyproject.toml`, the settings, and the tools and prompts of the server.
`python -m packages.generate` writes the files that are read from the repository; the bundle and the
entry of the catalogue are made when they are needed.
"""
