// Package chart holds the Helm chart against its own documents: each value is documented, typed in the schema and used by a template.
// With COEXSTREAM_TEST_CHART its tests render the profiles of helm/coexstream/ci with Helm and validate them against the
// schemas of several Kubernetes versions.
package chart
