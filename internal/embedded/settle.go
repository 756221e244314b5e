package embedded

import (
	"fmt"
	"slices"
)

// settle determines how the transactions ended whose end was lost, and collects the damage.
func (r *recovery) settle() error {
	asked := map[producerEpoch]bool{}
	for _, p := range r.parts {
		for _, t := range p.ended {
			asked[t.producerEpoch] = true
		}
		for id, t := range p.open {
			if t.region < len(p.lost) {
				asked[producerEpoch{id, t.epoch}] = true
			}
		}
	}
	if len(asked) > 0 {
		for _, p := range r.all {
			if err := r.readMarkers(p, asked); err != nil {
				return fmt.Errorf("look for the ends of transactions in %s: %w", p.tp, err)
			}
		}
	}
	for _, p := range r.parts {
		r.settleTransactions(p)
	}
	for _, p := range r.all {
		for _, n := range p.notes {
			n.damage.Found, n.damage.Bytes = r.now, n.bytes
			r.damage = append(r.damage, n.damage)
			r.kept = append(r.kept, keptBytes{path: n.path, pos: n.pos, bytes: n.bytes})
		}
		if len(p.lost) > 0 && p.orderly {
			r.put(sessionName, nil) // its open transactions no longer match
		}
	}
	return nil
}

// readMarkers collects the ends of transactions.
func (r *recovery) readMarkers(p *partitionScan, asked map[producerEpoch]bool) error {
	for _, f := range p.files {
		if f.size < 0 {
			continue
		}
		b, there, err := r.read(dataFile(p.folder, f.base))
		if err != nil {
			return err
		}
		for pos := int64(0); there && pos+batchHeaderBytes <= int64(len(b)); {
			h, ok := readHeader(b[pos:])
			if !ok || pos+h.bytes > int64(len(b)) {
				break
			}
			key := producerEpoch{h.producerID, h.producerEpoch}
			if raw := b[pos : pos+h.bytes]; h.control() && asked[key] && crcMatches(raw) {
				r.markers[key] = committedMarker(raw)
			}
			pos += h.bytes
		}
	}
	return nil
}

// outcome returns the end of a transaction, if it is known: by the markers in other partitions, then by pids.log.
func (r *recovery) outcome(t producerEpoch) (commit, known bool) {
	if commit, known = r.markers[t]; known {
		return commit, true
	}
	commit, known = r.endings[t]
	return commit, known
}

// settleTransactions restores the ends that were lost. If the end is unknown and the producer continued, it counts as a
// commit. Transactions are aborted only after kills and rebalances, and a consumer finds a repeated record by its id,
// but not a missing one.
func (r *recovery) settleTransactions(p *partitionScan) {
	if len(p.lost) == 0 {
		return
	}
	p.ends = map[int64]abortMarker{}
	abort := func(t producerEpoch, first int64, g *region) {
		at := g.next - 1
		for ; at >= g.first; at-- {
			if _, taken := p.ends[at]; !taken {
				p.ends[at] = t
				break
			}
		}
		p.aborted = append(p.aborted, abortedTxn{t.producer, first, max(at, g.first)})
	}
	if s := &p.snapshot; p.hasSnapshot && r.copies != nil && r.copies.Stopped && s.HighWatermark >= p.end && s.LastStableOffset == s.HighWatermark {
		// The broker had stopped in order, with no transaction open: its snapshot shows that.
		epochs := map[int64]int16{}
		for id, t := range p.open {
			epochs[id] = t.epoch
		}
		for _, t := range p.ended {
			epochs[t.producer] = t.epoch
		}
		p.aborted, p.open = slices.Clone(s.AbortedTxns), map[int64]openTxn{}
		for _, a := range p.aborted {
			for _, g := range p.lost {
				if a.LastOffset >= g.first && a.LastOffset < g.next {
					p.ends[a.LastOffset] = producerEpoch{a.ProducerID, epochs[a.ProducerID]}
				}
			}
		}
		return
	}
	for _, t := range p.ended {
		if commit, known := r.outcome(t.producerEpoch); known && !commit || !known && t.timedOut {
			abort(t.producerEpoch, t.first, p.lost[t.region])
		}
	}
	for id, t := range p.open {
		key := producerEpoch{id, t.epoch}
		if t.region >= len(p.lost) || r.decided != nil && r.decided.ProducerID == id && r.decided.Epoch == t.epoch {
			continue
		}
		commit, known := r.outcome(key)
		switch {
		case !known && r.epochs[id] <= t.epoch:
			continue // it was open
		case known && !commit:
			abort(key, t.first, p.lost[len(p.lost)-1])
		}
		delete(p.open, id)
	}
}
