// Package route chooses the lane and the key of a webhook by a scan of its bytes.
//
// LaneAndKey returns the raw topic of a body and the WABA id that becomes the record's key. PhoneNumberID returns the
// substitute for a missing WABA id. Both only skip over JSON: they decode nothing, allocate nothing, and their time is
// proportional to the length of the body, also for bodies that are no JSON. Results are slices of the body.
//
// Lane and key are hints. The processor parses each body and reroutes it where a hint was wrong. A wrong hint costs
// time and never correctness.
package route
