package dedup

import "github.com/coexstream/coexstream/schemas"

// AppendPage appends all entries to a page, in the order of their hashes.
func (s *Set) AppendPage(page []byte) []byte {
	if s.zero != 0 {
		page = AppendEntry(page, schemas.Hash{}, schemas.Rank(s.zero-1))
	}
	s.each(func(e []byte) { page = append(page, e...) })
	return page
}
