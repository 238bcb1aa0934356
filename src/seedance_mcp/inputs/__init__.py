"""The files of a call, checked before money is spent, behind public URLs or on this machine.

SSRF is kept out here.
"""
