package main

import (
	"context"
	_ "embed"
)

// The broken build shows that a run of this program finds what it is for: its processors commit offsets
// outside the transaction.

//go:embed broken/commit_outside.go.txt
var commitOutside string

// mistakes are that change: offsets are committed before the transaction, and not within it.
func mistakes() []variant {
	return []variant{
		{
			file: "processors/transaction.go",
			edits: [][2]string{
				{"\tsend := newSender(", "\tif err := s.commitOutside(ctx, all); err != nil {\n\t\treturn err\n\t}\n\tsend := newSender("},
			},
			added: "processors/commit_outside.go", code: commitOutside,
		},
		{
			file:  "processors/commit.go",
			edits: [][2]string{{"\t\ts.addOffsets(req, parts)\n", "\t\treq.Topics = nil\n"}},
		},
	}
}

// buildBroken builds the program with the mistake, and with a clock that can be set.
func buildBroken(ctx context.Context, dir string) (string, error) {
	return buildVariant(ctx, dir, "broken", append(mistakes(), setClock())...)
}
