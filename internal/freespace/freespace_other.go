//go:build !linux && !darwin

package freespace

import "errors"

// Of fails: it is not known.
func Of(string) (free, all uint64, err error) {
	return 0, 0, errors.New("the free space of a disk is unknown on this system")
}
