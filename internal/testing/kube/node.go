package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Image is the name of the image of coexstream, which the node has.
const (
	Image      = "localhost/coexstream"
	ImageTag   = "test"
	pauseImage = "localhost/pause:1"
	keepName   = "COEXSTREAM_TEST_KUBE_KEEP" // keeps the folder of the node, with the logs of all components
)

// volumes is the number of volumes of the node, and readyTimeout the maximum time of its start.
const (
	volumes      = 30
	readyTimeout = 3 * time.Minute
)

// Node is a running cluster of one node.
type Node struct {
	p     programs
	ended context.CancelCauseFunc // of the start: a component has ended
}

// start starts all components, and returns when the node is ready and has its images and volumes.
func start(ctx context.Context, p programs) (*Node, error) {
	started, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	started, end := context.WithCancelCause(started)
	defer end(nil)
	n := &Node{p, end}
	if err := errors.Join(writeCertificates(p.Dir), p.writeConfiguration()); err != nil {
		return nil, err
	}
	if err := n.run(ctx, p.Etcd, "--data-dir="+filepath.Join(p.Dir, "etcd"), "--unsafe-no-fsync"); err != nil {
		return nil, err
	}
	if err := n.run(ctx, p.Containerd, "--config", filepath.Join(p.Dir, "containerd.toml")); err != nil {
		return nil, err
	}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet"} {
		path, err := p.link(name)
		if err != nil {
			return nil, err
		}
		if name == "kube-controller-manager" { // the others look for the API server, and give up
			if err := n.until(started, "the API server", n.serves); err != nil {
				return nil, err
			}
		}
		if name == "kubelet" { // which looks for containerd, and gives up
			if err := n.importImages(started); err != nil {
				return nil, err
			}
		}
		if err := n.run(ctx, path, strings.Fields(strings.ReplaceAll(components[name], "DIR", p.Dir))...); err != nil {
			return nil, err
		}
	}
	if err := n.makeVolumes(started); err != nil {
		return nil, err
	}
	return n, n.until(started, "the node", func(ctx context.Context) error {
		_, err := n.command(ctx, "", n.p.Kubectl, "wait", "--for=condition=Ready", "node/"+nodeName, "--timeout=1s")
		return err
	})
}

// run starts a component. It ends with the namespaces.
func (n *Node) run(ctx context.Context, path string, args ...string) error {
	log, err := os.Create(filepath.Join(n.p.Dir, filepath.Base(path)+".log"))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // a program of the node
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "GOGC=400")
	if err := cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	go func() {
		err := cmd.Wait()
		n.ended(fmt.Errorf("%s has ended: %w", filepath.Base(path), errors.Join(err, log.Close())))
	}()
	return nil
}

// until waits for a condition. The error has the last reason against it, and the ends of the logs.
func (n *Node) until(ctx context.Context, what string, condition func(context.Context) error) error {
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; %w\n%s", what, context.Cause(ctx), err, n.logs())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// logs returns the last lines of each component's log.
func (n *Node) logs() string {
	var all strings.Builder
	files, _ := filepath.Glob(filepath.Join(n.p.Dir, "*.log")) // the pattern is right
	for _, path := range files {
		content, _ := os.ReadFile(path) //nolint:gosec // one of our files; without it, its part is empty
		lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
		fmt.Fprintf(&all, "== %s\n%s\n", filepath.Base(path), bytes.Join(lines[max(0, len(lines)-5):], []byte("\n")))
	}
	return all.String()
}

// serves reports whether the API server is ready.
func (n *Node) serves(ctx context.Context) error {
	_, err := n.command(ctx, "", n.p.Kubectl, "get", "--raw", "/readyz")
	return err
}

func (n *Node) importImages(ctx context.Context) error {
	for name, program := range map[string]string{pauseImage: filepath.Join(n.p.Node, "pause"), Image + ":" + ImageTag: n.p.Coexstream} {
		archive := filepath.Join(n.p.Dir, filepath.Base(program)+".tar")
		if err := image(archive, name, program); err != nil {
			return fmt.Errorf("image %s: %w", name, err)
		}
		err := n.until(ctx, "containerd", func(ctx context.Context) error {
			_, err := n.command(ctx, "", n.p.Ctr, "--address", filepath.Join(n.p.Dir, "containerd.sock"), "--namespace", "k8s.io",
				"images", "import", "--snapshotter", "native", archive)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// makeVolumes makes local volumes and their storage class, which is the default. Root owns them, so kubelet has to give them to the group of a pod.
func (n *Node) makeVolumes(ctx context.Context) error {
	var objects strings.Builder
	objects.WriteString(`apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
`)
	for i := range volumes {
		folder := filepath.Join(n.p.Dir, "volumes", fmt.Sprint(i))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		fmt.Fprintf(&objects, `---
apiVersion: v1
kind: PersistentVolume
metadata: {name: local-%d}
spec:
  capacity: {storage: 50Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: local
  persistentVolumeReclaimPolicy: Retain
  local: {path: %s}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%s]}]}]}}
`, i, folder, nodeName)
	}
	_, err := n.command(ctx, objects.String(), n.p.Kubectl, "apply", "-f", "-")
	return err
}

// command runs kubectl, helm or ctr, and returns what it printed.
func (n *Node) command(ctx context.Context, input, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // a program of the node
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(n.p.Dir, "kubeconfig"), "HELM_CACHE_HOME="+filepath.Join(n.p.Dir, "helm-cache"))
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, stderr.Bytes(), stdout.Bytes())
	}
	// A warning of the API server is an error here.
	if w := strings.ToLower(stderr.String()); strings.Contains(w, "warning") || strings.Contains(w, "warn ") {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), ErrWarning, stderr.Bytes())
	}
	return stdout.String(), nil
}

// ErrWarning is the error of a command that succeeded with a warning of the API server.
var ErrWarning = errors.New("it warns")

// Kubectl runs kubectl, and returns what it prints. It fails the test where kubectl fails or warns.
func (n *Node) Kubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := n.command(t.Context(), "", n.p.Kubectl, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Helm runs helm, as Kubectl does.
func (n *Node) Helm(t testing.TB, args ...string) string {
	t.Helper()
	out, err := n.command(t.Context(), "", n.p.Helm, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Coexstream returns the path of the program that the image has.
func (n *Node) Coexstream() string { return n.p.Coexstream }

// Namespace makes a namespace that enforces the Pod Security standard restricted, and warns of it.
func (n *Node) Namespace(t testing.TB, name string) {
	t.Helper()
	n.Kubectl(t, "create", "namespace", name)
	n.Kubectl(t, "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
}

// Remove deletes a namespace with everything in it, except its volumes.
func (n *Node) Remove(namespace string) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	_, err := n.command(ctx, "", n.p.Kubectl, "delete", "namespace", namespace, "--wait", "--timeout=120s")
	return err
}

// Describe returns the pods, events and logs of a namespace.
func (n *Node) Describe(namespace string) string {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	var all strings.Builder
	for _, args := range [][]string{{"get", "pods,pvc,services", "-o", "wide"}, {"get", "events"}, {"logs", "--all-containers", "--prefix", "--tail=20", "--selector", "app.kubernetes.io/name=coexstream"}} {
		out, err := n.command(ctx, "", n.p.Kubectl, append([]string{"--namespace", namespace}, args...)...)
		fmt.Fprintf(&all, "== %s\n%s\n", strings.Join(args, " "), out)
		if err != nil {
			fmt.Fprintln(&all, err)
		}
	}
	return all.String()
}
