"""Questions that take many runs of a scenario: sweeps, comparisons, sensitivity, the cheapest set-up, storms.

Each is asked of a scenario document and answered with tables, JSON and pictures. All set-ups of a question meet the
same luck, call by call (`simulation.streams`), so that differences between them show after few replications.
"""
