package office

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/schemas/provider"
)

// Tokens finds the credentials of WABAs and numbers. It keeps none: a new content of a file takes effect with the next request.
type Tokens struct {
	// Dir has a file for each credential: PROVIDER/ID. ID is the WABA's, or the number's where credentials belong to numbers.
	Dir string
	// Command is run where Dir has no file. It prints the credential. {provider}, {waba_id} and {phone_number_id} in its
	// arguments are replaced.
	Command []string
}

// ErrNoToken means that there is no credential for a WABA or a number.
var ErrNoToken = errors.New("there is no token")

const (
	tokenBytesMax  = 16 << 10
	commandTimeout = 20 * time.Second
)

// Of returns the credential for a number. An error contains nothing of a file's content or of a command's output.
func (t *Tokens) Of(ctx context.Context, p *provider.Provider, wabaID, phoneNumberID string) (graph.Token, error) {
	id := wabaID
	if p.Sync.PerNumber {
		id = phoneNumberID
	}
	if !graph.ValidID(id) {
		return graph.Token{}, fmt.Errorf("%w: the id is not a number", ErrNoToken)
	}
	if t.Dir != "" {
		token, err := fromFile(filepath.Join(t.Dir, p.Name, id))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return token, err
		}
	}
	if len(t.Command) > 0 {
		return t.run(ctx, p.Name, wabaID, phoneNumberID)
	}
	if t.Dir != "" {
		return graph.Token{}, fmt.Errorf("%w: no file %s in desk.tokens_dir", ErrNoToken, filepath.Join(p.Name, id))
	}
	return graph.Token{}, fmt.Errorf("%w: set desk.tokens_dir or desk.token_command", ErrNoToken)
}

func fromFile(path string) (graph.Token, error) {
	f, err := os.Open(path)
	if err != nil {
		return graph.Token{}, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, tokenBytesMax+1))
	if err != nil {
		return graph.Token{}, err
	}
	token, ok := graph.NewToken(string(b))
	if !ok || len(b) > tokenBytesMax {
		return graph.Token{}, fmt.Errorf("%w: %s holds none", ErrNoToken, path)
	}
	return token, nil
}

func (t *Tokens) run(ctx context.Context, providerName, wabaID, phoneNumberID string) (graph.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	replace := strings.NewReplacer("{provider}", providerName, "{waba_id}", wabaID, "{phone_number_id}", phoneNumberID)
	args := make([]string, len(t.Command))
	for i, a := range t.Command {
		args[i] = replace.Replace(a)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the operator's command; the ids are digits
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return graph.Token{}, fmt.Errorf("%w: desk.token_command (%s): %w", ErrNoToken, filepath.Base(args[0]), err)
	}
	token, ok := graph.NewToken(out.String())
	if !ok || out.Len() > tokenBytesMax {
		return graph.Token{}, fmt.Errorf("%w: desk.token_command (%s) printed none", ErrNoToken, filepath.Base(args[0]))
	}
	return token, nil
}
