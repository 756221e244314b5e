// Package graph calls the API of a provider for the onboarding of numbers: the fields of a number, the numbers of a WABA, the
// subscriptions of an app, and the requests for contacts and history.
//
// A request for a sync can be made once for each onboarding, so the package decides one thing above all: what became of it.
//
//   - A request is sent at most once. The client opens a connection for each request, speaks HTTP/1.1, follows no redirect and
//     repeats nothing.
//   - Outcome says what is certain. NotSent means that no byte of the request left; anything after that is Unknown unless a
//     whole answer says otherwise. Classify is a pure function of the answer.
//   - A credential is a Token. No error, outcome or text of this package contains it, or a part of it that an answer quotes.
package graph
