"""The whole system as supervised processes of one machine: no container, no cluster."""
