"""An Ollama-compatible server on llama.cpp for machines without Ollama; a program of its own."""
