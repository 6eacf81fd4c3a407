"""One file per kind of place that labelled pictures come from; each recognises its own and reads it."""
