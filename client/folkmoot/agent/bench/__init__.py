"""`folkmoot bench`: what this machine needs for a group and its cells, beside something that was
run in the same minute."""
