package processors

import "github.com/coexstream/coexstream/processors/task"

// workspace is the memory for what one task emits in a transaction.
type workspace struct {
	task    task.Workspace
	records records
}

// workspacesKept bounds the memory that waits for the next transaction. Bulk work touches few partitions at
// once, in the transaction that is being ended and in the next one, and the small work of many needs little.
const workspacesKept = 4

// workspaces lends memory. After a transaction that did not commit it is left to the collector instead of
// given back: what was sent may still be on its way out.
type workspaces struct {
	free []*workspace
}

func (w *workspaces) acquire() *workspace {
	if n := len(w.free); n > 0 {
		ws := w.free[n-1]
		w.free = w.free[:n-1]
		return ws
	}
	return &workspace{}
}

func (w *workspaces) release(ws *workspace) {
	if len(w.free) < workspacesKept {
		ws.task.Reset()
		ws.records.reset()
		w.free = append(w.free, ws)
	}
}

// shrink gives back the memory of workspaces that was not needed since it was called before.
func (w *workspaces) shrink() {
	for _, ws := range w.free {
		ws.task.Rest()
		ws.records.shrink()
	}
}
