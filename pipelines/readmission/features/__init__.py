"""Encounters as the numbers that models see."""
