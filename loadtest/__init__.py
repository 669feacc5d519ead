"""Load tests over HTTP that pass or fail: profiles, limits and load generators."""
