package kube

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The network of the node. Nothing outside of its namespaces reaches it.
const (
	Address        = "10.88.0.1" // the node, as its pods reach it
	nodeName       = "node"
	bridge         = "cni0"
	podNetwork     = "10.88.0.0/24"
	serviceNetwork = "10.96.0.0/16"
	apiService     = "10.96.0.1"
	dnsService     = "10.96.0.10"
)

// writeConfiguration writes the files that the components read. DIR stands for the folder of the node.
func (p *programs) writeConfiguration() error {
	for name, content := range map[string]string{
		"kubeconfig": `apiVersion: v1
kind: Config
clusters: [{name: node, cluster: {server: "https://` + Address + `:6443", certificate-authority: DIR/ca.crt}}]
users: [{name: admin, user: {client-certificate: DIR/admin.crt, client-key: DIR/admin.key}}]
contexts: [{name: node, context: {cluster: node, user: admin}}]
current-context: node
`,
		// The native snapshotter copies the layers, so it works on every file system.
		"containerd.toml": `version = 2
root = "DIR/containerd"
state = "/run/containerd"
[grpc]
address = "DIR/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "` + pauseImage + `"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "` + p.CNI + `"
conf_dir = "DIR/cni"
`,
		"cni/node.conflist": `{"cniVersion": "0.4.0", "name": "node", "plugins": [{"type": "bridge", "bridge": "` + bridge + `", "isGateway": true, "hairpinMode": true,
"ipam": {"type": "host-local", "dataDir": "DIR/addresses", "routes": [{"dst": "0.0.0.0/0"}],
"ranges": [[{"subnet": "` + podNetwork + `", "rangeStart": "10.88.0.10", "gateway": "` + Address + `"}]]}}]}
`,
		"kubelet.yaml": `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: DIR/ca.crt}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://DIR/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /` + filepath.Base(p.Dir) + `
failCgroupV1: false
failSwapOn: false
clusterDNS: [` + dnsService + `]
clusterDomain: cluster.local
podLogsDir: DIR/logs
volumePluginDir: DIR/volumeplugins
enforceNodeAllocatable: [pods]
evictionHard: {memory.available: 0%, nodefs.available: 0%, imagefs.available: 0%, nodefs.inodesFree: 0%, imagefs.inodesFree: 0%}
imageGCHighThresholdPercent: 100
shutdownGracePeriod: 0s
`,
		"proxy.yaml": `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: DIR/kubeconfig}
mode: iptables
clusterCIDR: ` + podNetwork + `
hostnameOverride: ` + nodeName + `
bindAddress: 0.0.0.0
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`,
	} {
		path := filepath.Join(p.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // no secret
			return err
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(content, "DIR", p.Dir)), 0o600); err != nil {
			return fmt.Errorf("configuration of the node: %w", err)
		}
	}
	return nil
}

// components are the arguments of the programs of Kubernetes. DIR stands for the folder of the node.
var components = map[string]string{
	"kube-apiserver": "--etcd-servers=http://127.0.0.1:2379 --secure-port=6443 --advertise-address=" + Address +
		" --service-cluster-ip-range=" + serviceNetwork + " --cert-dir=DIR/api --tls-cert-file=DIR/server.crt --tls-private-key-file=DIR/server.key" +
		" --client-ca-file=DIR/ca.crt --kubelet-client-certificate=DIR/admin.crt --kubelet-client-key=DIR/admin.key --kubelet-preferred-address-types=InternalIP" +
		" --service-account-key-file=DIR/accounts.pub --service-account-signing-key-file=DIR/accounts.key" +
		" --service-account-issuer=https://kubernetes.default.svc --authorization-mode=Node,RBAC --allow-privileged",
	"kube-controller-manager": "--kubeconfig=DIR/kubeconfig --leader-elect=false --root-ca-file=DIR/ca.crt --bind-address=127.0.0.1 --cert-dir=DIR/manager" +
		" --service-account-private-key-file=DIR/accounts.key --flex-volume-plugin-dir=DIR/volumeplugins --horizontal-pod-autoscaler-sync-period=2s",
	"kube-scheduler": "--kubeconfig=DIR/kubeconfig --leader-elect=false --bind-address=127.0.0.1 --cert-dir=DIR/scheduler",
	"kube-proxy":     "--config=DIR/proxy.yaml",
	"kubelet": "--config=DIR/kubelet.yaml --kubeconfig=DIR/kubeconfig --root-dir=DIR/kubelet --cert-dir=DIR/kubelet/pki" +
		" --hostname-override=" + nodeName + " --node-ip=" + Address,
}
