// Package generators holds the tests that let code generators and the AsyncAPI parser read the schemas.
//
// Each test generates types with the commands of docs/consuming.md, compiles them, reads every golden event with them,
// and checks that no property is missing from the types. `make test-schemas` runs them. The tools come from the
// registries of npm, PyPI and Maven, in the versions that testdata names, into the cache folder of the user.
//
// Libraries of receivers come the same way: those of Standard Webhooks verify the webhooks of the sink, and client libraries of the Cloud API read
// those in Meta's format.
package generators
