"""The live feed: from the journal to the sockets, merged and bounded at every hand-over.

One feed per web process asks the engine what changed, only while sockets are open. A topic is one thing that pages
look at; it is read once per change, whoever looks. Each socket has an outbox where a later word replaces an earlier
one, so that a slow reader costs no memory and misses nothing: what it is sent is always the latest. A socket that
fell behind, came back or was never here gets one snapshot.
"""
