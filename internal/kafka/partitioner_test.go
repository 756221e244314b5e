package kafka

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/testing/seed"
)

// The vectors of org.apache.kafka.common.utils.UtilsTest.
func TestMurmur2IsThatOfTheJavaClient(t *testing.T) {
	for in, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(in))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", in, got, want)
		}
	}
}

func TestPartitionEqualsFranzGo(t *testing.T) {
	seed := seed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	for range 20_000 {
		waba := strconv.AppendUint(nil, rng.Uint64()>>rng.UintN(60), 10)
		n := 1 + rng.IntN(200)
		want := partitioner.Partition(&kgo.Record{Key: waba}, n)
		if got := Partition(waba, int32(n)); int(got) != want {
			t.Fatalf("Partition(%s, %d) = %d, franz-go says %d", waba, n, got, want)
		}
	}
}

func TestPartitionOfNobodyIsTheFirst(t *testing.T) {
	for _, waba := range [][]byte{nil, {}} {
		if got := Partition(waba, 12); got != 0 {
			t.Errorf("Partition(%v, 12) = %d, want 0", waba, got)
		}
	}
}

func BenchmarkPartition(b *testing.B) {
	waba := []byte("102290129340398")
	b.ReportAllocs()
	for b.Loop() {
		Partition(waba, 12)
	}
}
