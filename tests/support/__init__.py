"""What tests of several rooms stand on: a real local HTTP server with scripted answers, recorded traffic."""
