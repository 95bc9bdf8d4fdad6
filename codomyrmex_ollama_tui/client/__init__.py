"""The one pipe to a server that speaks Ollama's API."""
