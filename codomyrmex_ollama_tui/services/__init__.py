"""The work itself: async, without a terminal, as generators of frozen events."""
