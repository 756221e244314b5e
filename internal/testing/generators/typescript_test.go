package generators

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// compilerOptions are strict: a generated type that is not sound does not compile.
const compilerOptions = `{"compilerOptions": {"strict": true, "target": "es2022", "module": "nodenext", "outDir": "out"}, "include": ["*.ts", "events/*.ts"]}`

// knownField lets the compiler check that a type has a property with a type of its own. A property of an index
// signature is unknown, and no known field.
const knownField = "type Known<T, K extends string> = K extends keyof T ? (unknown extends T[K] ? never : K) : never;\n"

func compile(t *testing.T, folder, node string) {
	t.Helper()
	write(t, filepath.Join(folder, "tsconfig.json"), []byte(compilerOptions))
	// tsc writes what it finds to its standard output.
	run(t, folder, nil, node, "node_modules/typescript/bin/tsc", "-p", ".")
}

// The compiler holds each golden event against its type.
func TestTypesOfJSONSchemaToTypeScriptFitEveryEvent(t *testing.T) {
	gate(t)
	folder := workFolder(t)
	list := writeEvents(t, folder)
	node := node(t, folder)
	follow(t, folder, nil, "json-schema-to-typescript")
	var source strings.Builder
	source.WriteString(knownField)
	types := map[string]string{}
	for _, typ := range list.Types {
		types[typ.Schema] = typ.Type
		fmt.Fprintf(&source, "import type { %s } from './events/%s.js';\n", typ.Type, typ.Schema)
		for _, p := range typ.Properties {
			fmt.Fprintf(&source, "export const %s_%s: Known<%s, %q> = %q;\n", typ.Schema, p, typ.Type, p, p)
		}
	}
	source.WriteString("export const narrowed = (e: PastMessage): [number, true] => [e.sync.window, e.historical];\n")
	source.WriteString("export const direction = (e: Echo | Status): 'outbound' => e.direction;\n")
	for i, e := range list.Events {
		fmt.Fprintf(&source, "export const event%d: %s = %s; // %s\n", i, types[e.Schema], strings.ReplaceAll(string(e.value), "\n", " "), e.Name)
	}
	write(t, filepath.Join(folder, "check.ts"), []byte(source.String()))
	compile(t, folder, node)
}

func TestTypesOfQuicktypeReadEveryEvent(t *testing.T) {
	gate(t)
	folder := workFolder(t)
	list := writeEvents(t, folder)
	node := node(t, folder)
	follow(t, folder, nil, "quicktype")
	var source strings.Builder
	source.WriteString(knownField)
	for _, typ := range list.Types {
		fmt.Fprintf(&source, "import type { %s } from './events.js';\n", typ.Type)
		for _, p := range typ.Properties {
			fmt.Fprintf(&source, "export const %s_%s: Known<%s, %q> = %q;\n", typ.Schema, p, typ.Type, p, p)
		}
	}
	source.WriteString("export const position = (e: PastMessage): number => e.sync.window;\n")
	write(t, filepath.Join(folder, "check.ts"), []byte(source.String()))
	compile(t, folder, node)
	write(t, filepath.Join(folder, "read.mjs"), content(t, "read.mjs"))
	readAll(t, folder, len(list.Events), nil, node, "read.mjs")
}
