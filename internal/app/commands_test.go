package app

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const commands = "../../docs/commands.md"

// docs/commands.md has the help texts; `go test ./internal/app -run Commands -update` writes it.
func TestCommandsDocumentHasTheHelpOfEveryCommand(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\nThe help texts of all commands. `coexstream COMMAND --help` prints them.\n\n")
	root := (&app{}).root()
	b.WriteString(markdown(root.Long) + "\n\n## Flags of all commands\n" + flagTable(root.PersistentFlags()))
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		fmt.Fprintf(&b, "\n## %s\n", cmd.CommandPath())
		text := cmd.Long
		if text == "" {
			text = cmd.Short + "."
		}
		if text, _, _ = strings.Cut(text, "\nKeys:\n"); text != cmd.Long && cmd.Long != "" {
			text += "\nThe keys are in [configuration.md](configuration.md)."
		}
		fmt.Fprintf(&b, "%s\n\n```console\n%s\n```\n", markdown(text), examples(cmd.Example))
		b.WriteString(flagTable(cmd.LocalNonPersistentFlags()))
		for _, sub := range cmd.Commands() {
			if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
				visit(sub)
			}
		}
	}
	for _, cmd := range root.Commands() {
		visit(cmd)
	}
	if *update {
		if err := os.WriteFile(commands, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(commands)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Error("docs/commands.md is not the help of the commands: run go test ./internal/app -run Commands -update")
	}
}

var (
	columns = regexp.MustCompile(`^  (\S+) {2,}(.*)$`)
	quoted  = regexp.MustCompile(`(^|[\s(])'([^']+)'([\s,.:;)]|$)`)
)

// markdown turns indented lines, which are columns in a terminal, into list items.
func markdown(text string) string {
	var out []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimRight(line, "\n")
		switch m := columns.FindStringSubmatch(line); {
		case m != nil:
			line = "- `" + m[1] + "`: " + m[2]
		case strings.HasPrefix(line, "  "):
			line = "  " + strings.TrimSpace(line)
		}
		out = append(out, line)
	}
	return quoted.ReplaceAllString(strings.Join(out, "\n"), "$1`$2`$3")
}

func examples(text string) string {
	return regexp.MustCompile(`(?m)^  `).ReplaceAllString(text, "$$ ")
}

func flagTable(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		if b.Len() == 0 {
			b.WriteString("\n| flag | default | meaning |\n| --- | --- | --- |\n")
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" {
			def = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(&b, "| `--%s` | %s | %s |\n", f.Name, def, strings.ReplaceAll(f.Usage, "|", "\\|"))
	})
	return b.String()
}
