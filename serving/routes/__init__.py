"""Every route beside /predict."""
