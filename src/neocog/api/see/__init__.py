"""The verb `see`: one room for each kind of view; `neocog.see` has them by name."""
