"""The TLS front: every HTTPS name of the pocket internet at one address.

Own code on blocking sockets and threads, so that a fault can act between any two
bytes: stall, reset, truncation, wrong bytes, a limit of bytes a second.
"""
