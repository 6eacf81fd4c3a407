"""`python -m neocog` is the command `neocog`."""

from neocog.cli.main import run

run()
