"""The terminal program; the only floor that knows Textual."""
