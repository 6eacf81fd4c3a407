"""The shell's view: a thin file per verb, no computation."""
