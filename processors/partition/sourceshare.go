package partition

import "strings"

// sourceShare counts the numbers that records of a source named first.
type sourceShare struct {
	source  string // its name; empty: the record had none, or an earlier version did not note it
	numbers int
}

func (p *Partition) sourceShare(source string) *sourceShare {
	m := p.sourceShares[source]
	if m == nil {
		m = &sourceShare{source: strings.Clone(source)}
		p.sourceShares[m.source] = m
	}
	return m
}

// countNumber counts a number for a source, and for no other source.
func (p *Partition) countNumber(n *number, by *sourceShare) {
	p.uncountNumber(n)
	n.share = by
	by.numbers++
}

func (p *Partition) uncountNumber(n *number) {
	m := n.share
	if m == nil {
		return
	}
	n.share = nil
	if m.numbers--; m.numbers == 0 {
		delete(p.sourceShares, m.source)
	}
}

// forgetOneOfSource forgets an idle number of a source, one of those unused for longest.
func (p *Partition) forgetOneOfSource(m *sourceShare) bool {
	n := p.recency.first
	for range lookedAtMax {
		if n == nil {
			return false
		}
		next := n.after
		switch idle := n.idle(); {
		case idle && n.share == m:
			p.forget(n)
			return true
		case !idle:
			p.recency.renew(n)
		}
		n = next
	}
	return false
}
