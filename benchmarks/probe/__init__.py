"""A terminal program driven in a pseudo-terminal and timed, beside reference programs on the same machine."""
