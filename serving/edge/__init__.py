"""What stands in front of every route: keys, admission, drain, tracing."""
