package event

import "github.com/coexstream/coexstream/schemas"

func (s *scanner) request(r *schemas.SyncRequest) {
	const (
		syncType = 1 << iota
		state
		at
		requestedAt
		requestedBy
		provider
		requestID
		attempt
		attempts
		arrivedAt
		failure
	)
	seen := uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "sync_type":
			s.once(&seen, syncType)
			r.SyncType = s.filled()
		case "state":
			s.once(&seen, state)
			r.State = s.filled()
		case "at":
			s.once(&seen, at)
			r.At = s.time()
		case "requested_at":
			s.once(&seen, requestedAt)
			r.RequestedAt = s.timeOrNone()
		case "requested_by":
			s.once(&seen, requestedBy)
			r.RequestedBy = s.filled()
		case "provider":
			s.once(&seen, provider)
			r.Provider = s.filled()
		case "request_id":
			s.once(&seen, requestID)
			r.RequestID = s.filled()
		case "attempt":
			s.once(&seen, attempt)
			r.Attempt = s.filled()
		case "attempts":
			s.once(&seen, attempts)
			r.Attempts = s.count()
		case "arrived_at":
			s.once(&seen, arrivedAt)
			r.ArrivedAt = s.timeOrNone()
		case "error":
			s.once(&seen, failure)
			r.Error = new(schemas.SyncRequestError)
			s.requestError(r.Error)
		default:
			s.skip()
		}
	}
	s.require(seen, []property{{syncType, "sync_type"}, {state, "state"}, {at, "at"}, {requestedBy, "requested_by"}, {provider, "provider"}, {attempt, "attempt"}, {attempts, "attempts"}})
}

func (s *scanner) requestError(e *schemas.SyncRequestError) {
	const (
		code = 1 << iota
		subcode
		message
	)
	seen := uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "code":
			s.once(&seen, code)
			e.Code = s.integer()
		case "subcode":
			s.once(&seen, subcode)
			e.Subcode = s.integer()
		case "message":
			s.once(&seen, message)
			e.Message = s.filled()
		default:
			s.skip()
		}
	}
	s.require(seen, []property{{code, "code"}})
}
