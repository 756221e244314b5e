package sqlite

import (
	"fmt"
	"os"
)

// Room guards the disk of the file: the broker and the spool need it more than the tables do.
type Room struct {
	Free func() (uint64, error) // bytes on the disk; nil: there is no guard
	Min  uint64                 // below this, nothing is written
}

// Guard sets the guard. It is called before the first step.
func (st *Store) Guard(r Room) { st.room = r }

// HasRoom returns an error if the disk is nearly full. If the free space is unknown, the disk counts as having room: a
// full one refuses the step itself.
func (st *Store) HasRoom() error {
	if st.room.Free == nil {
		return nil
	}
	free, err := st.room.Free()
	if err != nil || free >= st.room.Min {
		return nil //nolint:nilerr // as said
	}
	return fmt.Errorf("the disk of %s has %d MiB left, and the limit is %d MiB (sink.sqlite.free_bytes_min): nothing is written until there is more", st.file, free>>20, st.room.Min>>20)
}

// Bytes returns the size of the files.
func (st *Store) Bytes() (sum int64) {
	for _, name := range Files(st.file) {
		if info, err := os.Stat(name); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
