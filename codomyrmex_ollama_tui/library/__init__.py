"""The library's synchronous front door: managers that can be called from any thread, over the async services."""
