// Package alerting tests docs/alerts.yaml with Prometheus' own rule engine, on simulated series (testdata/alerts.yaml). It is a module of
// its own, so that Prometheus is no dependency of the product. `make test-alerts` runs it.
package alerting
