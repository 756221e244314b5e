package embedded

import (
	"fmt"
	"log/slog"
	"time"
)

// VerifyOptions describe the folder.
type VerifyOptions struct {
	// Running: a broker uses the folder. The ends of files may be writes in progress, and are not judged.
	Running bool
}

// Verified has the findings of a verification.
type Verified struct {
	Partitions int      `json:"partitions"`
	BytesRead  int64    `json:"bytes_read"` // of logs
	Damage     []Damage `json:"damage"`     // damage that the next start would set aside
	Quarantine []Damage `json:"quarantine"` // set aside earlier, and not acknowledged
}

// Verify reads every byte of a broker's folder and changes nothing.
func Verify(dir string, o VerifyOptions) (Verified, error) {
	f := folder{osDisk{}, dir}
	v, err := Verified{Damage: []Damage{}, Quarantine: []Damage{}}, error(nil)
	if f.used() {
		r := newRecovery(f, time.Now(), slog.New(slog.DiscardHandler))
		if r.running = o.Running; !o.Running && f.exists(f.path(backupName, backupReady)) {
			return v, fmt.Errorf("verify the embedded broker's folder %s: a compaction was interrupted; the next start undoes it, and checks everything", dir)
		}
		err = r.plan()
		v.Partitions, v.Damage = len(r.all), append(v.Damage, r.damage...)
		for _, p := range r.all {
			v.BytesRead += p.bytesRead
		}
		for i := range v.Damage {
			d := &v.Damage[i]
			d.Bytes = max(d.Bytes, r.kept[i].bytes)
		}
	}
	if err == nil {
		var notes []Damage
		notes, err = f.notes()
		v.Quarantine = append(v.Quarantine, notes...)
	}
	if err != nil {
		return v, fmt.Errorf("verify the embedded broker's folder %s: %w", dir, err)
	}
	return v, nil
}
