package embedded

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// The broker's small files have no checksum: a flipped byte in topics.json is another topic name. So a copy with a
// checksum is kept beside them. It is emptied before the broker changes one of them, and written again afterwards.

const copiesName = "files.copy"

// copies contains the small files.
type copies struct {
	// Stopped: the broker had stopped in order. Then the state logs are exactly as in the copies, too. Otherwise the
	// copies are prefixes of them.
	Stopped bool              `json:"stopped"`
	Files   map[string][]byte `json:"files"` // by the path within the folder
}

// The broker rewrites these as a whole, and only for a request, at its start and at its stop.
var wholeFiles = []string{
	"meta.json", "topics.json", "acls.json", "broker_configs.json", "quotas.json", "seq_windows.json", sessionName,
}

const (
	sessionName = "session_state.json" // of an orderly stop; the next start consumes it
	pidsName    = "pids.log"
	groupsName  = "groups.log"
)

var stateLogs = []string{pidsName, groupsName}

// keepCopies copies the small files as they are now.
func (f folder) keepCopies(stopped bool) error {
	c := copies{Stopped: stopped, Files: map[string][]byte{}}
	names := slices.Concat(wholeFiles, stateLogs)
	if stopped {
		names = append(names, journalName)
	}
	tps, err := f.partitionFolders()
	if err != nil {
		return fmt.Errorf("list partitions: %w", err)
	}
	for _, tp := range tps {
		names = append(names, snapshotName(tp))
	}
	for _, name := range names {
		b, found, err := f.read(f.path(name))
		if err != nil {
			return fmt.Errorf("copy the broker's files: %w", err)
		}
		if found {
			c.Files[name] = b
		}
	}
	b, err := appendEntry(nil, c)
	if err != nil {
		return err
	}
	if err := f.replace(f.path(copiesName), b); err != nil {
		return fmt.Errorf("copy the broker's files: %w", err)
	}
	return nil
}

// dropCopies is called before the small files change.
func (f folder) dropCopies() error {
	if f.size(f.path(copiesName)) <= 0 {
		return nil
	}
	if err := f.writeAt(f.path(copiesName), nil, 0); err != nil {
		return fmt.Errorf("empty the copy of the broker's files: %w", err)
	}
	return nil
}

func snapshotName(tp topicPartition) string {
	return filepath.Join("partitions", filepath.Base(tp.folder("")), "snapshot.json")
}

// readCopies reads the file of keepCopies; nil: there is none. It returns false if the file is damaged.
func (f folder) readCopies() (*copies, bool, error) {
	b, found, err := f.read(f.path(copiesName))
	if err != nil || !found || len(b) == 0 {
		return nil, true, err
	}
	entries, _, _ := readEntries(b)
	c := &copies{}
	if len(entries) == 1 && entries[0].bytes == int64(len(b)) && isJSON(entries[0].data, c) {
		return c, true, nil
	}
	return nil, false, nil
}

// credentialsName is the file to which the broker writes users at its stop. It has no copy, and is removed at each
// start: secrets are stored in few places, and the broker gets them each time.
const credentialsName = "sasl.json"

// checkFiles compares the small files with their copies and plans to restore those that differ.
func (r *recovery) checkFiles() error {
	c, whole, err := r.readCopies()
	if err != nil {
		return err
	}
	if !whole {
		r.found(Damage{What: "the copy of the small files is damaged", File: copiesName}, r.content(copiesName))
	}
	r.copies = c
	if c == nil {
		return r.checkUncopied()
	}
	names := make([]string, 0, len(c.Files))
	for name := range c.Files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		isLog := slices.Contains(stateLogs, name)
		if isLog && !c.Stopped {
			continue // it has grown; see readState
		}
		b, there, err := r.read(r.path(name))
		if err != nil {
			return err
		}
		if there && bytes.Equal(b, c.Files[name]) {
			continue
		}
		if name == sessionName && !there {
			continue // consumed by a start that was killed
		}
		if !there && strings.HasPrefix(name, "partitions") && !r.exists(filepath.Dir(r.path(name))) {
			continue // the partition was removed, which scan sees
		}
		what := "the file differs from its copy, which was put back"
		if !there {
			what = "the file is missing; its copy was put back"
		}
		r.found(Damage{What: what, File: name}, b)
		r.put(name, c.Files[name])
	}
	return nil
}

// checkUncopied checks the small files of a folder without copies: from an older version, or of a broker that was
// killed while it changed one of them.
func (r *recovery) checkUncopied() error {
	tps, err := r.partitionFolders()
	if err != nil {
		return err
	}
	for _, name := range wholeFiles {
		b, there, err := r.read(r.path(name))
		if err != nil {
			return err
		}
		switch {
		case there && json.Valid(b):
			continue
		case there:
		case len(tps) == 0 || name != "meta.json" && name != "topics.json":
			continue // a folder of another version may lack it
		}
		d := Damage{Lost: true, What: "the file is missing or no JSON, and there is no copy of it: it was left out", File: name}
		var instead []byte
		switch name {
		case "meta.json":
			d.Lost, d.What = false, "the file is missing or no JSON; it was written anew"
			instead = fmt.Appendf(nil, `{"version":%d,"cluster_id":%q}`, formatVersion, clusterID)
		case "topics.json":
			d.Lost, d.What = false, "the file is missing or no JSON, and there is no copy of it; it was made from the partitions' folders, and the topics' settings are those of the configuration"
			r.settingsLost = true
			if instead, err = topicsOf(tps); err != nil {
				return err
			}
		}
		r.found(d, b)
		r.put(name, instead)
	}
	return nil
}

// put plans to write a file; nil: to remove it. Later reads of this recovery get the new content.
func (r *recovery) put(name string, content []byte) {
	r.files[name] = content
	r.fileOrder = append(r.fileOrder, name)
}

// current returns a small file with the planned changes.
func (r *recovery) current(name string) ([]byte, bool, error) {
	if b, planned := r.files[name]; planned {
		return b, b != nil, nil
	}
	return r.read(r.path(name))
}

func (r *recovery) content(name string) []byte {
	b, _, _ := r.read(r.path(name)) // it was read before
	return b
}

// putBack writes the planned files.
func (r *recovery) putBack() error {
	for _, name := range r.fileOrder {
		content := r.files[name]
		if content == nil {
			if err := r.removeIfThere(r.path(name)); err != nil {
				return err
			}
			continue
		}
		if err := r.MkdirAll(filepath.Dir(r.path(name))); err != nil {
			return err
		}
		if err := r.replace(r.path(name), content); err != nil {
			return err
		}
	}
	return nil
}
