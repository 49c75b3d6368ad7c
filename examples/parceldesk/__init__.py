"""Parcel Desk: a whole program on vmscope, with one file of view models under Tk, Qt, asyncio and no toolkit at all.

    python -m examples.parceldesk                 README.md beside this file says what there is to see
"""
