"""Cells: what members seal into the fixed sizes that a relay forwards, and how they keep up."""
