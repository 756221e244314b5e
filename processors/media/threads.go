package media

// threads numbers the threads of a bucket's placeholders, in the order of arrival. Their names are in one piece of
// memory.
type threads struct {
	text  []byte
	ends  []uint32 // of each name in text
	index index
}

func (t *threads) len() int { return len(t.ends) }

// name returns the name of a number. It is valid until the next one is added.
func (t *threads) name(number uint32) []byte {
	start := uint32(0)
	if number > 0 {
		start = t.ends[number-1]
	}
	return t.text[start:t.ends[number]]
}

// number returns the number of a name, and adds the name if necessary.
func (t *threads) number(name string) uint32 {
	hash := hashOfName(name)
	if i := t.index.find(hash, func(i int) bool { return string(t.name(uint32(i))) == name }); i >= 0 {
		return uint32(i)
	}
	t.text = append(t.text, name...)
	t.ends = append(t.ends, uint32(len(t.text)))
	t.index.add(hash, func(i int) uint64 { return hashOfName(string(t.name(uint32(i)))) })
	return uint32(len(t.ends) - 1)
}

// hashOfName returns the FNV-1a hash.
func hashOfName(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

func (t *threads) bytes() int { return cap(t.text) + 4*cap(t.ends) + t.index.bytes() }
