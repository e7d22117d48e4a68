"""The service farm: the demo's services, as an outside world that keeps a record of what it was asked.

`python -m loadtests.farm --port 0` serves inventory, payment, shipping, notification and the five services of a data
pipeline, each under its own base path. An effect is applied at most once for an `Idempotency-Key`, and every call is
on disk before anything is done for it, so that a test can ask afterwards what really happened.
"""
