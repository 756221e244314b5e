package history

import (
	"math/rand/v2"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/cost"
)

// TestCosts limits the cost of a chunk that arrives out of order and leaves, with the state of its number.
func TestCosts(t *testing.T) {
	cost.Check(t, cost.Operation{Name: "chunk in and out of order", Per: "chunk", Start: func(*testing.T) func(int) {
		cfg := DefaultConfig()
		const ahead = 50 // chunks that wait for one that is missing
		order := rand.New(rand.NewPCG(1, 1)).Perm(ahead)
		return func(times int) {
			n := NewNumber(&cfg, testIdentity)
			for i := range times {
				n.Chunk(epoch, ordered(0, int32(i/ahead*ahead+order[i%ahead]+1), int64(i)))
				for {
					d, ok := n.Next(epoch)
					if !ok {
						break
					}
					n.Left(epoch, d, 0, 0, nil)
				}
				n.TakeState(func(string, []byte) {})
				n.TakeSync()
				n.Deadline()
			}
		}
	}}, cost.Operation{Name: "chunk in front of 20,000 that wait", Per: "chunk", Start: func(*testing.T) func(int) {
		cfg := DefaultConfig()
		n := NewNumber(&cfg, testIdentity)
		const many = 1 << 30
		for i := range 20_000 {
			n.Chunk(epoch, ordered(0, int32(many-i), int64(i)))
		}
		n.TakeState(func(string, []byte) {})
		next := int32(many - 20_000)
		return func(times int) {
			for range times {
				n.Chunk(epoch, ordered(0, next, int64(next)))
				n.TakeState(func(string, []byte) {})
				next--
			}
		}
	}})
}
