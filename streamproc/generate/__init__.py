"""Rules, their tests, runbooks and dashboards, made from the catalogue: `make generate`."""
