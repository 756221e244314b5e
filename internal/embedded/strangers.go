package embedded

import (
	"container/list"
	"sync"
)

// strangersMax bounds the connections of strangers: those that have sent no request, or have not authenticated where
// clients have to. Clients do both at once. Each connection takes a file of the process, which the ingress needs as well.
const strangersMax = 256

// strangers are the connections of strangers, the oldest first. Beyond strangersMax the oldest one is closed.
type strangers struct {
	mu  sync.Mutex
	all list.List // of *gate
}

func (s *strangers) enter(g *gate) {
	s.mu.Lock()
	g.place = s.all.PushBack(g)
	var oldest *gate
	if s.all.Len() > strangersMax {
		oldest = s.all.Remove(s.all.Front()).(*gate) //nolint:forcetypeassert // enter puts gates
		oldest.place = nil
	}
	s.mu.Unlock()
	if oldest != nil {
		_ = oldest.Conn.Close()
	}
}

// leave removes a connection that is none of a stranger, or has ended.
func (s *strangers) leave(g *gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.place != nil {
		s.all.Remove(g.place)
		g.place = nil
	}
}
