package ingress

// traceStateBytesMax is the length that W3C Trace Context requires everyone to propagate.
const traceStateBytesMax = 512

// validTraceParent reports whether b is a traceparent of W3C Trace Context: version, trace id, parent id and flags in
// lower-case hexadecimal digits, ids not all zero. Later versions may append more.
func validTraceParent(b []byte) bool {
	const length = 55 // of version 00
	if len(b) < length || len(b) > 2*length || b[2] != '-' || b[35] != '-' || b[52] != '-' {
		return false
	}
	version := string(b[:2])
	if version == "ff" || version == "00" && len(b) != length || len(b) > length && b[length] != '-' {
		return false
	}
	for _, part := range [][]byte{b[:2], b[3:35], b[36:52], b[53:55]} {
		if !lowerHex(part) {
			return false
		}
	}
	return !zeros(b[3:35]) && !zeros(b[36:52])
}

// validTraceState reports whether b may be propagated: it is short and printable.
func validTraceState(b []byte) bool {
	if len(b) == 0 || len(b) > traceStateBytesMax {
		return false
	}
	for _, c := range b {
		if c < 0x20 && c != '\t' || c > 0x7e {
			return false
		}
	}
	return true
}

func lowerHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != '0' {
			return false
		}
	}
	return true
}
