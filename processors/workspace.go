package processors

import "github.com/coexstream/coexstream/processors/partition"

// workspace is the memory for the records that one core emits in a transaction.
type workspace struct {
	core    partition.Workspace
	records records
}

// workspacesKept bounds the free workspaces. Bulk work uses few partitions at once, and other work needs little memory.
const workspacesKept = 4

// workspaces is a free list of workspaces. It belongs to the session's goroutine. After a transaction that was not
// committed the workspace is not released, because produce requests may still refer to it.
type workspaces struct {
	free []*workspace
}

// acquire returns a free workspace, or a new one.
func (w *workspaces) acquire() *workspace {
	if n := len(w.free); n > 0 {
		ws := w.free[n-1]
		w.free = w.free[:n-1]
		return ws
	}
	return &workspace{}
}

// release resets a workspace and makes it free. Nothing may refer to its memory any more.
func (w *workspaces) release(ws *workspace) {
	if len(w.free) < workspacesKept {
		ws.core.Reset()
		ws.records.reset()
		w.free = append(w.free, ws)
	}
}

// shrink releases memory of free workspaces that was unused since the previous call.
func (w *workspaces) shrink() {
	for _, ws := range w.free {
		ws.core.Rest()
		ws.records.shrink()
	}
}
