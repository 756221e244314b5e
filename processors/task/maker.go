package task

import "strings"

// maker is a source by what it had remembered: a number is its, of which it told first.
type maker struct {
	source  string // its name; empty: the record did not say, or an earlier version did not note it
	numbers int
}

func (t *Task) maker(source string) *maker {
	m := t.makers[source]
	if m == nil {
		m = &maker{source: strings.Clone(source)}
		t.makers[m.source] = m
	}
	return m
}

// made says by whom a number is.
func (t *Task) made(n *number, by *maker) {
	t.unmade(n)
	n.maker = by
	by.numbers++
}

func (t *Task) unmade(n *number) {
	m := n.maker
	if m == nil {
		return
	}
	n.maker = nil
	if m.numbers--; m.numbers == 0 {
		delete(t.makers, m.source)
	}
}

// forgetOneBy forgets an idle number of a source, one of those of which nothing was heard for longest.
func (t *Task) forgetOneBy(m *maker) bool {
	n := t.recency.first
	for range lookedAtMax {
		if n == nil {
			return false
		}
		next := n.after
		switch idle := n.idle(); {
		case idle && n.maker == m:
			t.forget(n)
			return true
		case !idle:
			t.recency.renew(n)
		}
		n = next
	}
	return false
}
