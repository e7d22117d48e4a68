"""The pages: rendered whole by templates, then changed in place over one socket.

`views` answer requests, `presenters` turn what the queries return into what templates show, `graph` draws workflows,
`live` follows the journal and hands changes to the sockets of `consumers`.
"""
