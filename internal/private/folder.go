//go:build unix

package private

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// Folder creates a folder with its parents, or uses an existing one, and removes the access of others.
//
// If ours is given, the access is only removed if ours knows every name in the folder, because other programs may use the
// folder too. Such a folder is left as it is, and refused if others may write to it.
func Folder(path string, ours func(name string) bool, log *slog.Logger) error {
	if err := os.MkdirAll(path, FolderMode); err != nil {
		return err
	}
	if err := checkLink(path); err != nil {
		return err
	}
	d, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // it was only read
	info, err := d.Stat()
	if err != nil {
		return err
	}
	mode, owner := info.Mode(), ownerOf(info)
	switch {
	case owner == os.Geteuid():
	case owner == 0:
		if mode&others != 0 {
			log.Warn("a folder belongs to root and is open to others: only the files in it are private", "folder", path, "mode", mode.String())
		}
		return nil
	default:
		return fmt.Errorf("folder %s %w: give it to this user (chown), or use another folder", path, foreign(owner))
	}
	if mode&others == 0 {
		return nil
	}
	if alone, err := holdsOnly(d, ours); err != nil {
		return err
	} else if !alone || mode&fs.ModeSticky != 0 {
		if mode&0o022 != 0 {
			return fmt.Errorf("folder %s holds files of other programs, and others may write to it (%s): use a folder of its own", path, mode)
		}
		log.Warn("a folder holds files of other programs and stays open to others: only this program's files in it are private", "folder", path, "mode", mode.String())
		return nil
	}
	return closeTo(d, path, mode, log)
}

func closeTo(d *os.File, path string, mode fs.FileMode, log *slog.Logger) error {
	if err := ignoreUnsupported(d.Chmod(FolderMode)); err != nil {
		return err
	}
	info, err := d.Stat()
	if err != nil {
		return err
	}
	if info.Mode()&others != 0 {
		log.Warn("a folder is open to others, and its file system does not let it be closed", "folder", path, "mode", mode.String())
		return nil
	}
	log.Warn("a folder was open to others and is closed to them now", "folder", path, "was", mode.String(), "is", info.Mode().String())
	return nil
}

// checkLink refuses a link of another user.
func checkLink(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if owner := ownerOf(info); info.Mode().Type() == fs.ModeSymlink && owner != os.Geteuid() && owner != 0 {
		return fmt.Errorf("folder %s is a symbolic link that %w", path, foreign(owner))
	}
	return nil
}

func holdsOnly(d *os.File, ours func(name string) bool) (bool, error) {
	if ours == nil {
		return true, nil
	}
	names, err := d.Readdirnames(-1)
	for _, name := range names {
		if !ours(name) {
			return false, nil
		}
	}
	return true, err
}

// Tree is Folder for a folder of this program and everything in it. It refuses links, and files of other users, because a
// library that follows links may use it.
func Tree(path string, log *slog.Logger) error {
	if err := Folder(path, nil, log); err != nil {
		return err
	}
	root, err := filepath.EvalSymlinks(path) // WalkDir follows no link, not even the first
	if err != nil {
		return err
	}
	files, folders := 0, 0
	err = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == root {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		mode, count := FileMode, &files
		switch {
		case e.IsDir():
			mode, count = FolderMode, &folders
		case !e.Type().IsRegular():
			return fmt.Errorf("%s is neither a file nor a folder (%s): remove it", name, e.Type())
		}
		if owner, me := ownerOf(info), os.Geteuid(); owner != me && owner != 0 {
			return fmt.Errorf("%s %w: give it to this user (chown)", name, foreign(owner))
		}
		if info.Mode()&others == 0 {
			return nil
		}
		*count++
		return ignoreUnsupported(os.Chmod(name, mode))
	})
	if err == nil && files+folders > 0 {
		log.Warn("files were open to others and are closed to them now", "folder", path, "files", files, "folders", folders)
	}
	return err
}
