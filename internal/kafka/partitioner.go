package kafka

// Partition returns the partition of a business: murmur2 of its WABA id, as in the default partitioner of Kafka's Java
// client (toPositive, then the remainder). Every topic of the pipeline is partitioned with it over the WABA id, for any
// record key. So partition i of each of them has the same businesses. An empty id gives partition 0; partitions must be
// at least 1.
func Partition(waba []byte, partitions int32) int32 {
	if len(waba) == 0 {
		return 0
	}
	return int32(murmur2(waba)&0x7fffffff) % partitions
}

// murmur2 is the 32-bit MurmurHash2 with the seed that org.apache.kafka.common.utils.Utils uses.
func murmur2(b []byte) uint32 {
	const (
		seed uint32 = 0x9747b28c
		m    uint32 = 0x5bd1e995
		r           = 24
	)
	h := seed ^ uint32(len(b))
	for len(b) >= 4 {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		b = b[4:]
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
