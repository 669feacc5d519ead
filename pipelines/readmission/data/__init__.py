"""Sources of raw rows, and the snapshots of clean ones."""
