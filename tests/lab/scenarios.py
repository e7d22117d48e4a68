"""Small scenarios for the lab's tests: quick to simulate, with something to compare."""

from __future__ import annotations

QUICK = """\
scenario: quick
description: One call of one service.
horizon: 20s
replications: 3
workflows:
  - id: order
    name: Order
    steps:
      - {id: pay, type: service, service_name: payment, method: charge, timeout: 10s}
    output: {}
workloads:
  - {name: orders, workflow: order, arrivals: {kind: poisson, per_second: 5}}
services:
  payment: {times: {kind: exponential, mean: 100ms}}
slos:
  - {workload: orders, completed: 0.9}
variants:
  two-instances: {services: {payment: {instances: 2}}}
"""

OVERLOADED = QUICK.replace("per_second: 5", "per_second: 50")
IMPOSSIBLE = QUICK.replace("completed: 0.9", "p95: 10ms")
LONG = QUICK.replace("horizon: 20s", "horizon: 5h").replace("completed: 0.9", "p95: 5s")
"""Takes minutes: for what is to be seen while it runs."""

SEARCHED = """\
scenario: searched
horizon: 100s
replications: 4
workflows:
  - id: order
    steps:
      - {id: pay, type: service, service_name: payment, method: charge, timeout: 10s}
      - {id: ship, type: service, service_name: post, method: send, timeout: 10s}
    output: {}
workloads:
  - {name: orders, workflow: order, arrivals: {kind: poisson, per_second: 25}}
services:
  payment: {times: {kind: lognormal, p50: 80ms, p99: 300ms}, instances: 5}
  post: {times: {kind: exponential, mean: 10ms}, capacity: 10}
slos:
  - {workload: orders, p95: 400ms}
costs: {currency: EUR, services: {payment: 2.5, post: 1}}
"""

SURE = QUICK.replace("replications: 3", "replications: 3\nuntil_sure: {within: 0.2, at_most: 40}")
"""Ends once it is sure, which is soon."""
