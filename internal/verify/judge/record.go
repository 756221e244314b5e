package judge

import "github.com/coexstream/coexstream/schemas"

// Record is a committed record of a topic. Its slices belong to the caller once the judge returns.
type Record struct {
	Topic      schemas.Topic
	Partition  int32
	Offset     int64
	Key, Value []byte // a nil value is a tombstone
	Headers    []Header
	TimeMS     int64 // Kafka's time of the record: of an event, when the processor wrote it. 0: not known
}

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// header returns the value of the first header with that name, and whether it exists.
func (r *Record) header(name string) (string, bool) {
	for i := range r.Headers {
		if r.Headers[i].Key == name {
			return string(r.Headers[i].Value), true
		}
	}
	return "", false
}

// Topics lists the topics whose records are events: all topics that a consumer subscribes to.
func Topics() []schemas.Topic {
	return []schemas.Topic{
		schemas.TopicHistory, schemas.TopicMedia, schemas.TopicContacts, schemas.TopicEchoes, schemas.TopicMessages,
		schemas.TopicAccount, schemas.TopicSyncs, schemas.TopicOther, schemas.TopicDLQ,
	}
}

// partitionOf is Kafka's default partitioner: murmur2 of the key, without the sign, modulo the count. It is a second
// implementation, so that a fault of the pipeline's one shows.
func partitionOf(key string, partitions int32) int32 {
	const m = 0x5bd1e995
	n := len(key)
	h := uint32(0x9747b28c) ^ uint32(n)
	i := 0
	for ; i+4 <= n; i += 4 {
		k := uint32(key[i]) | uint32(key[i+1])<<8 | uint32(key[i+2])<<16 | uint32(key[i+3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
	}
	switch n - i {
	case 3:
		h ^= uint32(key[i+2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[i+1]) << 8
		fallthrough
	case 1:
		h ^= uint32(key[i])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return int32(h&0x7fffffff) % partitions
}
