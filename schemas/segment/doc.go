// Package segment cuts a body that is longer than the records of a cluster may be into segments, and puts it
// together again. It is pure: it neither reads nor writes a log.
//
// The segments of a body are ordinary records of one partition, in order. Each has all the headers of the body's record
// and those of its place (schemas.HeaderSegmentID and its siblings). The last one is written when all others are
// durable, and names their offsets. So
//
//   - the last segment stands for the body: it is there, or the body was not written. A reader passes over the
//     others (Segment.Last), whose writer may have died before the last one;
//   - a reader that begins or begins again anywhere finds the others by the last segment, with any records between
//     them. It has to remember nothing;
//   - a segment that is written twice is named once.
//
// Writing:
//
//	g := segment.Cut(segment.NewID(rand.Uint64(), rand.Uint64()), body, limit)
//	for i := range g.Count() {
//		offset := write(g.Value(i), append(headers, g.Headers(i)...)) // waits until it is durable
//		g.Written(i, offset)
//	}
//
// Reading:
//
//	s, is, err := segment.Of(header)
//	switch {
//	case !is:       // a whole record
//	case err != nil: // what the headers say cannot be
//	case !s.Last(): // pass over it
//	default:
//		j := s.Join()
//		for i, offset := range s.Offsets { err = j.Add(i, headerAt(offset), valueAt(offset)) }
//		body, err := j.Whole(value)
//	}
//
// internal/kafka does both: Fetcher.Whole and Reader, and Segmented.
package segment
