package split

import "bytes"

// historyArray parses value.history[].
func (s *Scanner) historyArray(i int, dst *[]HistoryElement) int {
	switch s.in[i] {
	case '[':
	case '{':
		return s.loneElement(i, dst)
	default:
		return s.misfitArray(i, placeElement)
	}
	base, odd := len(s.elements), s.isOdd()
	i = s.enter(i)
	for n := int32(0); ; n++ {
		var more bool
		if i, more = s.item(n == 0, i); !more {
			break
		}
		e, ok := room(s, &s.elements, i)
		if !ok {
			return -1
		}
		places, cut := len(s.places), s.cutting.cut
		if s.in[i] == '{' {
			i = s.historyElement(i, e, n)
		} else {
			i = s.misfitElement(i, "an element of history is not an object")
		}
		if s.isOdd() && !odd && i > 0 {
			// It stays as a gap, because chunks are identified by their position in the array.
			*e = HistoryElement{Out: true}
			s.places, s.cutting.cut = s.places[:places], cut
			s.leaveOut(Place{kind: placeElement, element: n})
		}
	}
	*dst = since(s.elements, base)
	return i
}

// loneElement reads an element of history without its array: a decline, an error or threads. Another object is not
// one.
func (s *Scanner) loneElement(i int, dst *[]HistoryElement) int {
	start, base, odd := i, len(s.elements), s.isOdd()
	e, ok := room(s, &s.elements, i)
	if !ok {
		return -1
	}
	places, cut := len(s.places), s.cutting.cut
	i = s.historyElement(i, e, 0)
	switch {
	case i > 0 && s.isOdd() && !odd:
		*e = HistoryElement{Out: true}
		s.places, s.cutting.cut = s.places[:places], cut
		s.leaveOut(Place{kind: placeElement})
	case i > 0 && !anyError(e.Errors) && len(e.Threads) == 0:
		dropLast(&s.elements)
		return s.misfitArray(start, placeElement)
	}
	*dst = since(s.elements, base)
	return i
}

func (s *Scanner) historyElement(i int, e *HistoryElement, position int32) int {
	start, depth := i, s.depth
	s.failed = false
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			break
		}
		switch string(o.key) {
		case "metadata":
			if s.in[i] == '{' {
				i = s.chunkMetadata(i, e)
			} else {
				i = s.skip(i)
			}
		case "threads":
			i = s.threadArray(i, e, position)
		case "errors", "error":
			i = s.errors(i, &e.Errors)
		default:
			i = s.skip(i)
		}
	}
	if i > 0 {
		e.Raw = s.in[start:i:i]
		e.depth = int16(depth)
		if s.failed {
			e.declinedByMessages()
		}
	}
	return i
}

func (s *Scanner) chunkMetadata(i int, e *HistoryElement) int {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "phase":
			i = s.ordinal(i, &e.Phase, &e.HasPhase)
		case "chunk_order":
			i = s.ordinal(i, &e.ChunkOrder, &e.HasChunkOrder)
		case "progress":
			i = s.ordinal(i, &e.Progress, &e.HasProgress)
		case "errors", "error":
			i = s.errors(i, &e.Errors)
		default:
			i = s.skip(i)
		}
	}
}

// errors reads errors, an array or a single one, and adds them to those that were read before.
func (s *Scanner) errors(i int, dst *[]byte) int {
	var errors []byte
	if i = s.verbatim(i, &errors); i > 0 {
		*dst = bothErrors(*dst, errors)
	}
	return i
}

// bothErrors returns an array with the errors of two places.
func bothErrors(a, b []byte) []byte {
	if len(a) == 0 || len(b) == 0 {
		return orElse(a, b)
	}
	all := []byte{'['}
	for _, errors := range [...][]byte{a, b} {
		if errors[0] == '[' {
			errors = bytes.TrimSpace(errors[1 : len(errors)-1])
		}
		if len(errors) > 0 && len(all) > 1 {
			all = append(all, ',')
		}
		all = append(all, errors...)
	}
	return append(all, ']')
}

func (s *Scanner) threadArray(i int, e *HistoryElement, element int32) int {
	if s.in[i] != '[' {
		return s.misfit(i, "threads is not an array")
	}
	base, odd := len(s.threads), s.isOdd()
	i = s.enter(i)
	for n := int32(0); ; n++ {
		var more bool
		if i, more = s.item(n == 0, i); !more {
			break
		}
		t, ok := room(s, &s.threads, i)
		if !ok {
			return -1
		}
		places, cut := len(s.places), s.cutting.cut
		if s.in[i] == '{' {
			i = s.thread(i, t, e, element, n)
		} else {
			i = s.misfitElement(i, "a thread is not an object")
		}
		if s.isOdd() && !odd && i > 0 {
			*t = Thread{} // it stays as a gap, because parts are identified by the position of their thread
			s.places, s.cutting.cut = s.places[:places], cut
			s.leaveOut(Place{kind: placeThread, element: element, index: n})
		}
	}
	e.Threads = since(s.threads, base)
	return i
}

func (s *Scanner) thread(i int, t *Thread, e *HistoryElement, element, position int32) int {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "id":
			i = s.id(i, &t.ID)
		case "group_id":
			i = s.id(i, &t.GroupID)
		case "context":
			if s.in[i] == '{' {
				i = s.threadContext(i, t)
			} else {
				i = s.skip(i)
			}
		case "errors", "error":
			i = s.errors(i, &e.Errors)
		case "messages":
			i = s.messageArray(i, &t.Messages, kindMessage, Place{kind: placePast, element: element, thread: position}, nil)
		default:
			i = s.skip(i)
		}
	}
}

func (s *Scanner) threadContext(i int, t *Thread) int {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "wa_id":
			i = s.id(i, &t.WaID)
		case "user_id":
			i = s.id(i, &t.UserID)
		case "parent_user_id":
			i = s.id(i, &t.ParentUserID)
		case "username":
			i = s.text(i, &t.Username)
		case "country_code":
			i = s.text(i, &t.CountryCode)
		default:
			i = s.skip(i)
		}
	}
}
