package freespace_test

import (
	"path/filepath"
	"testing"

	"github.com/coexstream/coexstream/internal/freespace"
)

func TestADiskHasAtMostAllBytesFree(t *testing.T) {
	if free, all, err := freespace.Of(t.TempDir()); err != nil || all == 0 || free > all {
		t.Errorf("%d of %d bytes, err %v", free, all, err)
	}
}

func TestAFolderThatIsMissingIsAnError(t *testing.T) {
	if _, _, err := freespace.Of(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("no error")
	}
}
