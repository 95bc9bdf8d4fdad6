"""Speed, memory and size, measured beside reference programs."""
