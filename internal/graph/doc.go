// Package graph calls the API of a provider for the onboarding of numbers: the fields of a number, the numbers of a WABA, the
// subscriptions of an app, and the requests for contacts and history.
//
// A request for a sync can be made once for each onboarding, so its outcome matters most.
//
//   - A request is sent at most once. The client opens a connection for each request, speaks HTTP/1.1, follows no redirect and
//     repeats nothing.
//   - An Outcome is certain. NotSent means that no byte of the request left. Anything after that is Unknown, unless there is a
//     whole answer that decides. Classify is a pure function of the answer.
//   - A credential is a Token. No error, outcome or text of this package contains it, or a part of it that an answer quotes.
package graph
