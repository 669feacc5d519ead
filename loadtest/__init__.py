"""Load tests that decide: profiles, thresholds and the capacity finder."""
