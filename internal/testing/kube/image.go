package kube

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
)

// image writes an archive in the layout of the Open Container Initiative. The image has one layer with one program, and is the same at each
// build. It has no shell, no user database and no certificates.
func image(path, name, program string) error {
	content, err := os.ReadFile(program) //nolint:gosec // built here
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	err = errors.Join(
		w.WriteHeader(&tar.Header{Name: "coexstream", Mode: 0o755, Size: int64(len(content))}),
		written(w, content), w.Close())
	if err != nil {
		return err
	}
	var blobs [][]byte
	blob := func(mediaType string, content []byte) map[string]any {
		blobs = append(blobs, content)
		return map[string]any{"mediaType": mediaType, "digest": digest(content), "size": len(content)}
	}
	encode := func(v any) []byte {
		b, encodeErr := json.Marshal(v)
		err = errors.Join(err, encodeErr)
		return b
	}
	layers := []any{blob("application/vnd.oci.image.layer.v1.tar", layer.Bytes())}
	config := blob("application/vnd.oci.image.config.v1+json", encode(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/coexstream"}, "User": "65532:65532"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer.Bytes())}},
	}))
	manifest := blob("application/vnd.oci.image.manifest.v1+json", encode(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers,
	}))
	manifest["annotations"] = map[string]string{"io.containerd.image.name": name}
	files := map[string][]byte{
		"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`),
		"index.json": encode(map[string]any{"schemaVersion": 2, "manifests": []any{manifest}}),
	}
	if err != nil {
		return err
	}
	for _, b := range blobs {
		files["blobs/sha256/"+digest(b)[len("sha256:"):]] = b
	}
	archive, err := os.Create(path) //nolint:gosec // in the folder of the node
	if err != nil {
		return err
	}
	w = tar.NewWriter(archive)
	for name, content := range files {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}), written(w, content))
	}
	return errors.Join(err, w.Close(), archive.Close())
}

func written(w io.Writer, content []byte) error {
	_, err := w.Write(content)
	return err
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
