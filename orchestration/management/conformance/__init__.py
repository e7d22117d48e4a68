"""The conformance runner: scenario files, played over the pure domain in virtual time or over the engine in real time.

A scenario says what goes in and what must come out; `scenario` and `expected` read it, `script` answers for its
services, `virtual` and `live` play it and write down a `Record`, and `expectations` compares the record with what the
scenario expects. The two shells share everything but the way in which things are made to happen.
"""
