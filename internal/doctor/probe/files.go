package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coexstream/coexstream/internal/doctor"
	"github.com/coexstream/coexstream/internal/freespace"
)

// SecretFile is a file that holds a secret, and the key that names it.
type SecretFile struct{ Key, Path string }

// Folder is a folder that is written to, and the key that names it.
type Folder struct{ Key, Path string }

func (p *prober) files(context.Context) error {
	if p.Tokens != nil {
		p.facts.Tokens = tokenFiles(p.Tokens)
	}
	for _, f := range p.Files {
		fact := doctor.SecretFile{Key: f.Key, Path: f.Path}
		info, err := os.Stat(f.Path)
		if err == nil {
			fact.Mode = info.Mode()
		}
		fact.Err = err
		p.facts.Secrets = append(p.facts.Secrets, fact)
	}
	return nil
}

func (p *prober) folders(context.Context) error {
	for _, f := range p.Folders {
		fact := doctor.Disk{Key: f.Key, Exists: true}
		path, err := filepath.Abs(f.Path)
		for err == nil {
			var info fs.FileInfo
			if info, err = os.Stat(path); err == nil && !info.IsDir() {
				err = errors.New("is not a folder")
			}
			if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
				break
			}
			if to, linkErr := os.Readlink(path); linkErr == nil {
				err = fmt.Errorf("cannot be made: it is a link to %s, which is not there", to)
				break
			}
			path, err, fact.Exists = filepath.Dir(path), nil, false
		}
		if fact.Path = path; err == nil {
			fact.FreeBytes, fact.AllBytes, err = freespace.Of(path)
		}
		fact.Err = err
		p.facts.Disks = append(p.facts.Disks, fact)
	}
	return nil
}

func (p *prober) brokerData(context.Context) error {
	if p.BrokerData == nil {
		return nil
	}
	data, err := p.BrokerData()
	if err != nil {
		return err
	}
	p.facts.BrokerData = &data
	return nil
}

// SpoolFolder is the folder of a topic in the disk spool.
type SpoolFolder struct {
	Topic    string
	Path     string
	BytesMax int64
}

// quarantine is the folder in a spool for damaged and refused records.
const quarantine = "quarantine"

// spools counts the files of the disk spool. Their process may write and remove them at the same time.
func (p *prober) spools(context.Context) error {
	for _, f := range p.Spools {
		fact := doctor.Spool{Topic: f.Topic, Path: f.Path, BytesMax: f.BytesMax}
		fact.Err = filepath.WalkDir(f.Path, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // no spool yet, or handed over just now
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			fact.Bytes += info.Size()
			if filepath.Base(filepath.Dir(path)) == quarantine {
				fact.QuarantineFiles++
				fact.QuarantineBytes += info.Size()
			}
			return nil
		})
		p.facts.Spools = append(p.facts.Spools, fact)
	}
	return nil
}
