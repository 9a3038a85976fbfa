"""A relay of Folkmoot meetings: forwards cells that it cannot read between links that it cannot
tell apart."""
