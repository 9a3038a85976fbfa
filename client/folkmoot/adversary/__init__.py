"""The other side: operators who were told to remove somebody, an informant who helps them, and what
they achieve (architecture §2).

Nothing of this is in the relay, and nothing of it is needed to hold a meeting. An operator may
change the program that it runs, so its plug-in takes the relay's parts and puts its own in their
place; what it cannot do it cannot do with this either.
"""
