package event

import (
	"math"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

const (
	syncWABA = 1 << iota
	syncNumber
	syncDisplay
	syncWindow
	syncState
	syncEndReason
	syncOrderKnown
	syncPhases
	syncProgress
	syncChunks
	syncHeld
	syncLate
	syncDuplicate
	syncLost
	syncMessages
	syncDuplicates
	syncOpened
	syncLast
	syncDeadline
	syncEnded
	syncError
	syncErrors
	syncErrorsOmitted
	syncStatus
	syncOnboarded
	syncRequested
	syncRequestDeadline
	syncRequests
)

var syncRequired = []property{
	{syncWABA, "waba_id"}, {syncNumber, "phone_number_id"}, {syncWindow, "window"}, {syncState, "state"}, {syncOrderKnown, "order_known"},
	{syncPhases, "phases"}, {syncProgress, "progress"}, {syncChunks, "chunks"}, {syncHeld, "chunks_held"}, {syncLate, "chunks_late"},
	{syncDuplicate, "chunks_duplicate"}, {syncMessages, "messages"}, {syncDuplicates, "duplicates"}, {syncOpened, "opened_at"}, {syncLast, "last_chunk_at"},
}

func (s *scanner) sync() *schemas.Sync {
	y, seen := new(schemas.Sync), uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "waba_id":
			s.once(&seen, syncWABA)
			y.WABAID = s.str()
		case "phone_number_id":
			s.once(&seen, syncNumber)
			y.PhoneNumberID = s.str()
		case "display_phone_number":
			s.once(&seen, syncDisplay)
			y.DisplayPhoneNumber = s.filled()
		case "window":
			s.once(&seen, syncWindow)
			y.Window = int32(s.between(1, math.MaxInt32))
		case "state":
			s.once(&seen, syncState)
			y.State = s.oneOf(schemas.SyncRunning, schemas.SyncDone, schemas.SyncDeclined, schemas.SyncOffboarded)
		case "end_reason":
			s.once(&seen, syncEndReason)
			y.EndReason = s.oneOf(schemas.SyncEndComplete, schemas.SyncEndQuiet, schemas.SyncEndCeiling, schemas.SyncEndDeclined,
				schemas.SyncEndOffboarded, schemas.SyncEndRestarted)
		case "order_known":
			s.once(&seen, syncOrderKnown)
			y.OrderKnown = s.boolean()
		case "phases":
			s.once(&seen, syncPhases)
			y.Phases = s.phases()
		case "progress":
			s.once(&seen, syncProgress)
			y.Progress = s.int32()
		case "chunks":
			s.once(&seen, syncChunks)
			y.Chunks = s.count()
		case "chunks_held":
			s.once(&seen, syncHeld)
			y.ChunksHeld = s.count()
		case "chunks_late":
			s.once(&seen, syncLate)
			y.ChunksLate = s.count()
		case "chunks_duplicate":
			s.once(&seen, syncDuplicate)
			y.ChunksDuplicate = s.count()
		case "chunks_lost":
			s.once(&seen, syncLost)
			y.ChunksLost = s.count()
		case "messages":
			s.once(&seen, syncMessages)
			y.Messages = s.count()
		case "duplicates":
			s.once(&seen, syncDuplicates)
			y.Duplicates = s.count()
		case "opened_at":
			s.once(&seen, syncOpened)
			y.OpenedAt = s.time()
		case "last_chunk_at":
			s.once(&seen, syncLast)
			y.LastAt = s.time()
		case "deadline_at":
			s.once(&seen, syncDeadline)
			y.DeadlineAt = s.timeOrNone()
		case "ended_at":
			s.once(&seen, syncEnded)
			y.EndedAt = s.timeOrNone()
		case "error":
			s.once(&seen, syncError)
			y.Error = s.objects()
		case "errors":
			s.once(&seen, syncErrors)
			y.Errors = s.failures()
		case "errors_omitted":
			s.once(&seen, syncErrorsOmitted)
			y.ErrorsOmitted = s.count()
		case "status":
			s.once(&seen, syncStatus)
			y.Status = s.filled()
		case "onboarded_at":
			s.once(&seen, syncOnboarded)
			y.OnboardedAt = s.timeOrNone()
		case "requested_at":
			s.once(&seen, syncRequested)
			y.RequestedAt = s.timeOrNone()
		case "request_deadline_at":
			s.once(&seen, syncRequestDeadline)
			y.RequestDeadlineAt = s.timeOrNone()
		case "requests":
			s.once(&seen, syncRequests)
			y.Requests = s.requests()
		default:
			s.skip()
		}
	}
	s.require(seen, syncRequired)
	s.named(y.WABAID, y.PhoneNumberID)
	if y.State == schemas.SyncRunning {
		s.must(seen&(syncEndReason|syncEnded) == 0, "state", "is running, and yet the sync has an end")
	} else {
		s.must(seen&syncEndReason != 0, "end_reason", "is missing")
		s.must(seen&syncEnded != 0, "ended_at", "is missing")
	}
	return y
}

func (s *scanner) timeOrNone() *time.Time {
	t := s.time()
	return &t
}

// objects is an array of objects, verbatim.
func (s *scanner) objects() []byte {
	s.space()
	start := s.i
	s.enter('[')
	for s.more(']') {
		s.raw('{')
	}
	if s.err != nil {
		return nil
	}
	return s.b[start:s.i:s.i]
}

// The items of the four lists below are read by name: a function value would move the scanner to the heap.

func (s *scanner) phases() []schemas.SyncPhase {
	all := []schemas.SyncPhase{}
	s.enter('[')
	for s.more(']') {
		all = append(all, schemas.SyncPhase{})
		s.phase(&all[len(all)-1])
	}
	return all
}

func (s *scanner) gaps() []schemas.SyncGap {
	all := []schemas.SyncGap{}
	s.enter('[')
	for s.more(']') {
		all = append(all, schemas.SyncGap{})
		s.gap(&all[len(all)-1])
	}
	return all
}

func (s *scanner) failures() []schemas.SyncError {
	all := []schemas.SyncError{}
	s.enter('[')
	for s.more(']') {
		all = append(all, schemas.SyncError{})
		s.failure(&all[len(all)-1])
	}
	return all
}

func (s *scanner) requests() []schemas.SyncRequest {
	all := []schemas.SyncRequest{}
	s.enter('[')
	for s.more(']') {
		all = append(all, schemas.SyncRequest{})
		s.request(&all[len(all)-1])
	}
	return all
}

func (s *scanner) phase(p *schemas.SyncPhase) {
	const (
		phase = 1 << iota
		next
		left
		held
		progress
		finished
		gaps
		omitted
	)
	seen := uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "phase":
			s.once(&seen, phase)
			p.Phase = s.int32()
		case "next":
			s.once(&seen, next)
			p.Next = s.int32()
		case "left":
			s.once(&seen, left)
			p.Left = s.count()
		case "held":
			s.once(&seen, held)
			p.Held = s.count()
		case "progress":
			s.once(&seen, progress)
			p.Progress = s.int32()
		case "finished":
			s.once(&seen, finished)
			p.Finished = s.boolean()
		case "gaps":
			s.once(&seen, gaps)
			p.Gaps = s.gaps()
		case "gaps_omitted":
			s.once(&seen, omitted)
			p.GapsOmitted = s.count()
		default:
			s.skip()
		}
	}
	s.require(seen, []property{{phase, "phase"}, {next, "next"}, {left, "left"}, {held, "held"}, {progress, "progress"}})
}

func (s *scanner) gap(g *schemas.SyncGap) {
	const (
		from = 1 << iota
		to
		since
		given
		lost
	)
	seen := uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "from":
			s.once(&seen, from)
			g.From = s.int32()
		case "to":
			s.once(&seen, to)
			g.To = s.int32()
		case "since":
			s.once(&seen, since)
			g.Since = s.time()
		case "given_up":
			s.once(&seen, given)
			g.GivenUp = s.boolean()
		case "lost":
			s.once(&seen, lost)
			g.Lost = s.boolean()
		default:
			s.skip()
		}
	}
	s.require(seen, []property{{from, "from"}, {to, "to"}, {since, "since"}})
}

func (s *scanner) failure(e *schemas.SyncError) {
	const (
		code = 1 << iota
		title
		phase
		order
		at
	)
	seen := uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "code":
			s.once(&seen, code)
			e.Code = s.integer()
		case "title":
			s.once(&seen, title)
			e.Title = s.filled()
		case "phase":
			s.once(&seen, phase)
			n := s.int32()
			e.Phase = &n
		case "chunk_order":
			s.once(&seen, order)
			n := s.int32()
			e.ChunkOrder = &n
		case "at":
			s.once(&seen, at)
			e.At = s.time()
		default:
			s.skip()
		}
	}
	s.require(seen, []property{{code, "code"}, {at, "at"}})
}
