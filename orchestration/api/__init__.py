"""REST under /api/v1/: one file per noun, thin views over the operations and queries of the platform.

A request goes through the same steps on every route: who asks (authentication.py), how often (rates.py), with which
parameters (parameters.py) and body (parsers.py, bodies.py); then one call; then a shape (shapes.py) or a problem
(errors.py). operation.py ties them to a method and describes it for the OpenAPI document.
"""
