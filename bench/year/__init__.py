"""One simulated year of a hospital on the embedded system: the acceptance test of everything after day one."""
