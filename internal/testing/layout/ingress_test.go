package layout_test

import (
	"slices"
	"strings"
	"testing"
)

// ingressImports are the packages of this module that each package of the ingress may import. The HTTP edge knows
// neither Kafka nor the disk: it hands records to a raw.Durable.
var ingressImports = map[string][]string{
	"ingress":               {"ingress/raw", "ingress/route", "schemas", "schemas/provider", "schemas/syncrequest", "internal/contentcoding", "internal/listen"},
	"ingress/raw":           {"schemas"},
	"ingress/route":         {"schemas", "schemas/provider"},
	"ingress/publish":       {"ingress/raw", "schemas", "schemas/segment", "internal/kafka"},
	"ingress/spool":         {"internal/private"},
	"ingress/spool/faultfs": {"ingress/spool"},
	"ingress/handover":      {"ingress/raw", "ingress/spool", "schemas", "internal/kafka"},
	"ingress/rawtest":       {"ingress/raw", "schemas"},
}

// ingressLibraries are libraries that only one package of the ingress may import.
var ingressLibraries = map[string]string{
	"github.com/segmentio/kafka-go": "ingress/publish",
	"github.com/valyala/fasthttp":   "ingress",
}

func TestPackagesOfTheIngressAreApart(t *testing.T) {
	checked, used := 0, map[string]bool{}
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if !within(path, "ingress") {
			continue
		}
		allowed, known := ingressImports[path]
		if !known {
			t.Errorf("%s has no rule: say what it may import", path)
		}
		checked++
		for _, imp := range p.Imports {
			if own, ours := strings.CutPrefix(imp, module); ours && !slices.Contains(allowed, own) && !slices.Contains(everywhere, own) {
				t.Errorf("%s imports %s; it may import only %v", path, own, allowed)
			}
			for library, only := range ingressLibraries {
				if !within(imp, library) {
					continue
				}
				if used[library] = true; path != only {
					t.Errorf("%s imports %s; only %s may", path, imp, only)
				}
			}
		}
	}
	if checked != len(ingressImports) || len(used) != len(ingressLibraries) {
		t.Errorf("checked %d of %d packages, and found the libraries %v", checked, len(ingressImports), used)
	}
}
