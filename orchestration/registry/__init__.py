"""What runs where, whether it is well, and the one way to call it.

`operations` and `queries` keep the entries, `probes` asks their health addresses, `discovery` chooses, `client` calls,
`local` holds the services that live in this very process, `addresses` says where calls may go at all.
"""
