"""Clips as MP4s: a preview, single frames, several joined to one; all of PyAV but the simulator's.

What comes out are new files; what a job made is never changed. PyAV is the extra `video`, imported
by the first call that needs it.
"""
