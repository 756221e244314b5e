// Package kube runs Kubernetes for tests: an API server with its controllers, and one real node with kubelet, containerd and runc. It needs
// Linux, root and the package registries, and no container engine.
//
//	func TestMain(m *testing.M) { os.Exit(kube.Main(m)) }
//
//	func TestPods(t *testing.T) {
//		node := kube.Test(t)
//		node.Helm(t, "install", …)
//	}
//
// Main first installs all programs. It then starts the test binary again in namespaces of its own, for processes, mounts and the network, and
// runs the node and the tests there. So the node listens on no address of the machine, its ports are fixed, and nothing on it reaches the
// network. When the tests end, the kernel ends each process of the node, with its mounts, routes and rules. The folder of the node
// and its control groups are removed then.
//
// The programs of Kubernetes are built from the module in the folder node, whose go.mod pins them. The first build takes minutes; the result stays in the
// user's cache folder. Helm and kubectl come from npm; etcd, containerd and runc are Debian's.
package kube
